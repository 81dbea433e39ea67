import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const UNSTABLE = "github:NixOS/nixpkgs/nixos-unstable";
const INPUTS = "projects/acme/tools/flake-inputs";

let server: TestServer;
let alice: string;

beforeEach(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("projects/acme", alice, {
    name: "tools",
    display_name: "Tools",
    description: "",
    repository: "https://example.com/tools.git",
    wildcard: "*",
  });
});
afterEach(() => server[Symbol.asyncDispose]());

const add = (input_name: string, url: string) => server.post(INPUTS, alice, { input_name, url });

test("inputs of a project's flake are set, shown in the order of names, changed and removed", async () => {
  const { message: systems } = await add("systems", "github:nix-systems/default");
  const { message: nixpkgs } = await add("nixpkgs", UNSTABLE);
  const project = (await server.get("projects/acme/tools", alice)).message.id;
  expect(nixpkgs).toMatchObject({ input_name: "nixpkgs", url: UNSTABLE, project });
  expect((await server.get(INPUTS, alice)).message).toEqual([nixpkgs, systems]);
  expect((await server.get(`${INPUTS}/${nixpkgs.id}`, alice)).message).toEqual(nixpkgs);
  const change = { url: "https://example.org/nixpkgs.tar.gz" };
  const changed = await server.patch(`${INPUTS}/${nixpkgs.id}`, alice, change);
  expect(changed.message).toMatchObject({ input_name: "nixpkgs", ...change });
  const renamed = { input_name: "packages", url: null };
  expect((await server.patch(`${INPUTS}/${nixpkgs.id}`, alice, renamed)).message).toMatchObject({
    input_name: "packages",
    ...change,
  });
  const removed = await server.delete(`${INPUTS}/${nixpkgs.id}`, alice);
  expect(removed.message).toEqual({ deleted: true });
  expect((await server.get(INPUTS, alice)).message).toEqual([systems]);
  expect((await server.get(`${INPUTS}/${nixpkgs.id}`, alice)).status).toBe(404);
});

test("an input is overridden once, and by something that a worker can fetch from elsewhere", async () => {
  await add("nixpkgs", UNSTABLE);
  const again = await add("nixpkgs", "github:NixOS/nixpkgs");
  expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
  const { message: systems } = await add("systems", "github:nix-systems/default");
  const taken = await server.patch(`${INPUTS}/${systems.id}`, alice, { input_name: "nixpkgs" });
  expect(taken.status).toBe(409);
  const path = `path:/nix/store/${"0".repeat(32)}-source`;
  for (const [name, url] of [
    ["", UNSTABLE],
    ["a b", UNSTABLE],
    ["1", UNSTABLE],
    ["x", ""],
    ["x", "/etc/passwd"],
    ["x", "git+file:///etc"],
    ["x", path],
  ] as const) {
    expect([name, url, (await add(name, url)).status]).toEqual([name, url, 400]);
  }
});

test("those of a project that a state file declares are the file's", async () => {
  const { message: nixpkgs } = await add("nixpkgs", UNSTABLE);
  await server.services.database.kysely.updateTable("projects").set({ managed: 1 }).execute();
  expect((await add("systems", "github:nix-systems/default")).status).toBe(403);
  const path = `${INPUTS}/${nixpkgs.id}`;
  expect((await server.patch(path, alice, { input_name: "x" })).status).toBe(403);
  expect((await server.delete(path, alice)).status).toBe(403);
});
