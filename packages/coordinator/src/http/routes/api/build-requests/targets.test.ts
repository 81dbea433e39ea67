import { organizationIdSchema, workerIdSchema } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { narOfTree } from "../../../../nar-contents/nar-tree.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("caches", alice, { name: "main", display_name: "Main", priority: 40 });
  await server.post("orgs/acme/subscribe/main", alice);
});
afterAll(() => server[Symbol.asyncDispose]());

/** The pattern of the evaluation of a source that has one file. */
async function wildcardOf(path: string, fields: Record<string, string> = {}): Promise<unknown> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("nar", new Blob([new Uint8Array(await narOfTree({ [path]: "{ }" }))]), "x.nar");
  const response = await fetch(`${server.url}/api/v1/build-requests/source?organization=acme`, {
    method: "POST",
    body: form,
    headers: { authorization: `Bearer ${alice}` },
  });
  const { message } = (await response.json()) as { message: { evaluation: string } };
  return (await server.get(`evals/${message.evaluation}`, alice)).message.wildcard;
}

test("of classic Nix without a target, what lies near the root is built", async () => {
  expect(await wildcardOf("default.nix")).toBe("*");
  expect(await wildcardOf("below/flake.nix")).toBe("*");
});

test("of a flake without a target, the packages are built: of the system that is said, else of those of the organization's builders", async () => {
  const { id } = (await server.get("orgs/acme", alice)).message;
  const builder = {
    worker: workerIdSchema.parse("550e8400-e29b-41d4-a716-446655440001"),
    capabilities: { fetch: false, eval: false, build: true },
    systems: ["x86_64-linux", "i686-linux"],
    systemFeatures: [],
    maxConcurrentBuilds: 1,
    assignedCount: 0,
    isDraining: false,
    authorized: new Set([organizationIdSchema.parse(id)]),
  };
  expect(await wildcardOf("flake.nix")).toBe("packages.*");
  server.live.push(builder, { ...builder, systems: ["riscv64-linux"], authorized: new Set() });
  expect(await wildcardOf("flake.nix")).toBe("packages.i686-linux.*,packages.x86_64-linux.*");
  expect(await wildcardOf("flake.nix", { system: "aarch64-linux" })).toBe(
    "packages.aarch64-linux.*",
  );
});

test("a target that is named is what is built", async () => {
  expect(await wildcardOf("flake.nix", { target: "checks.*", system: "aarch64-linux" })).toBe(
    "checks.*",
  );
});
