import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTestServer, PASSWORD, type TestServer } from "../http/server.test-support.ts";
import { TestMailServer } from "../mail/mail-server.test-support.ts";

/** Every byte that the server keeps, as text in which secrets of plain characters can be looked for. */
async function kept(server: TestServer): Promise<string> {
  const files = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
  const contents = files
    .filter((entry) => entry.isFile())
    .map((entry) => readFile(join(entry.parentPath, entry.name), "latin1"));
  return (await Promise.all(contents)).join("\n");
}

test("no secret that a user was given, or gave, lies on the disk in clear", async () => {
  await using mails = await new TestMailServer().listen();
  const env = { ...mails.env(), GRADIENT_EMAIL_REQUIRE_VERIFICATION: "true" };
  await using server = await openTestServer({ env });
  const alice = await server.user("alice");
  const bob = { username: "bob", name: "Bob", email: "bob@example.com", password: "Other-Horse7!" };
  await server.post("auth/basic/register", undefined, bob);
  const mail = mails.received[0]?.text.replace(/=\r\n/g, "") ?? "";
  const verification = /token=(?:3D)?([0-9a-f]{64})/.exec(mail)?.[1] ?? "";
  await server.post("auth/basic/login", undefined, {
    loginname: "alice",
    password: "Typo-Horse7!",
  });
  await server.post("auth/basic/login", undefined, { loginname: "Typed-As-Name7", password: "x" });
  const key = await server.key(alice, { permissions: ["viewOrg"] });
  const waiting = (await server.post("auth/cli/start")).message;
  const device = (await server.post("auth/cli/start")).message;
  await server.post("auth/cli/authorize", alice, { user_code: device.user_code });
  const poll = { device_code: device.device_code };
  const session = (await server.post("auth/cli/poll", undefined, poll)).message;
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("caches", alice, { name: "main", display_name: "Main" });
  const worker = { worker_id: "550e8400-e29b-41d4-a716-446655440001", display_name: "w" };
  const { token } = (await server.post("orgs/acme/workers", alice, worker)).message;

  const secrets = {
    password: PASSWORD,
    "password at registration": bob.password,
    "password that was wrong": "Typo-Horse7!",
    "password typed as a name": "Typed-As-Name7",
    verification,
    "API key": key.slice("GRAD".length),
    "session token": alice.split(".")[2] ?? "",
    "device session token": session.split(".")[2] ?? "",
    "device code that waits": waiting.device_code,
    "user code that waits": waiting.user_code,
    "device code": device.device_code,
    "user code": device.user_code,
    "worker token": token,
    "SSH key": "BEGIN OPENSSH PRIVATE KEY",
  };
  const text = await kept(server);
  expect(text).toContain("bob@example.com");
  for (const [what, secret] of Object.entries(secrets)) {
    expect(secret.length, what).toBeGreaterThan(8);
    expect(text.includes(secret), `${what} lies on the disk`).toBe(false);
  }
});
