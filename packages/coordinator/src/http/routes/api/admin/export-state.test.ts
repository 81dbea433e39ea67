import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let root: string;

beforeAll(async () => {
  server = await openTestServer();
  root = await server.user("root-user", true);
  await server.put("orgs", root, { name: "acme", display_name: "Acme" });
  await server.put("orgs/acme/integrations", root, {
    name: "git",
    kind: "inbound",
    forge_type: "gitea",
    secret: "s".repeat(32),
  });
  await server.put("projects/acme", root, {
    name: "tools",
    display_name: "Tools",
    description: 'says "${hello}"\n',
    repository: "https://example.org/tools.git",
    wildcard: "*",
  });
  await server.post("projects/acme/tools/actions", root, {
    name: "chat",
    config: { type: "send_web_request", url: "https://example.org/hook" },
    events: ["build.failed"],
  });
  await server.put("caches", root, { name: "main", display_name: "Main", priority: 40 });
});
afterAll(() => server[Symbol.asyncDispose]());

test("the farm as JSON has a null for each secret", async () => {
  const { message } = await server.get("admin/state?format=json", root);
  expect(message).toMatchObject({
    users: { "root-user": { superuser: true, password_file: null } },
    organizations: { acme: { private_key_file: null } },
    integrations: { "acme/inbound/git": { secret_file: null } },
    projects: {
      "acme/tools": {
        organization: "acme",
        actions: [{ name: "chat", type: "send_web_request", config: { token_file: null } }],
      },
    },
    caches: { main: { signing_key_file: null } },
  });
  expect(JSON.stringify(message)).not.toMatch(/_sealed|_hash|signing_keys|argon2/);
});

test("and as a Nix expression by default, with its texts escaped", async () => {
  const answer = await server.get("admin/state", root);
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(answer.text).toContain('\n  projects = {\n    "acme/tools" = {\n');
  expect(answer.text).toContain('description = "says \\"\\${hello}\\"\\n";');
  expect(answer.text).toContain("password_file = null;");
  expect((await server.get("admin/state?format=xml", root)).status).toBe(400);
});
