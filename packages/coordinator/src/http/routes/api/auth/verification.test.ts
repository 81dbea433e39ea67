import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../../manual-clock.test-support.ts";
import { TestMailServer } from "../../../../mail/mail-server.test-support.ts";
import { createLogger } from "../../../../logger.ts";
import { openTestServer, PASSWORD, type TestServer } from "../../../server.test-support.ts";

const HOUR_MS = 3_600_000;
const bob = { username: "bob", name: "Bob", email: "bob@example.com", password: PASSWORD };
const credentials = { loginname: "bob", password: PASSWORD };

const verifying = (mails: TestMailServer) => ({
  ...mails.env(),
  GRADIENT_EMAIL_REQUIRE_VERIFICATION: "true",
  GRADIENT_SERVE_URL: "https://farm.example",
});

/** Path below the API of the link in the newest mail. */
function mailedPath(mails: TestMailServer): string {
  // Quoted-printable: long lines are broken behind a "=", which itself is "=3D".
  const text = mails.received.at(-1)?.text.replace(/=\r\n/g, "").replace(/=3D/g, "=") ?? "";
  const path = /https:\/\/farm\.example\/api\/v1\/(auth\/verify-email\?token=[0-9a-f]{64})\s/.exec(
    text,
  );
  return path?.[1] ?? "no link";
}

const register = (server: TestServer) => server.post("auth/basic/register", undefined, bob);
const login = (server: TestServer) => server.post("auth/basic/login", undefined, credentials);
const resend = (server: TestServer, username = "bob") =>
  server.post("auth/resend-verification", undefined, { username });

describe("where addresses are verified", () => {
  test("an account can log in once the mailed link was opened", async () => {
    await using mails = await new TestMailServer().listen();
    await using server = await openTestServer({ env: verifying(mails) });
    expect((await server.get("config")).message).toMatchObject({
      email_verification_enabled: true,
      smtp_enabled: true,
    });
    const registered = await register(server);
    expect([registered.status, registered.message]).toEqual([
      200,
      expect.stringMatching(/User [0-9a-f-]{36} was registered; open the link/),
    ]);
    expect(mails.received).toMatchObject([{ to: ["bob@example.com"], from: "farm@farm.example" }]);
    const early = await login(server);
    expect([early.status, early.json?.code]).toEqual([400, "bad_request"]);
    expect(early.message).toContain("not verified");
    const first = await server.get(mailedPath(mails));
    expect([first.status, first.message]).toEqual([200, expect.stringContaining("is verified")]);
    expect((await login(server)).status).toBe(200);
    const second = await server.get(mailedPath(mails));
    expect([second.status, second.message]).toEqual([200, expect.stringContaining("before")]);
  });

  test("a wrong password tells nothing about verification", async () => {
    await using mails = await new TestMailServer().listen();
    await using server = await openTestServer({ env: verifying(mails) });
    await register(server);
    const wrong = { ...credentials, password: "wrong" };
    const answer = await server.post("auth/basic/login", undefined, wrong);
    expect([answer.status, answer.json?.code]).toEqual([401, "invalid_credentials"]);
  });

  test("a link works for a day", async () => {
    await using mails = await new TestMailServer().listen();
    const clock = new ManualClock();
    await using server = await openTestServer({ env: verifying(mails), clock });
    await register(server);
    await clock.advance(24 * HOUR_MS);
    const answer = await server.get(mailedPath(mails));
    expect([answer.status, answer.message]).toEqual([400, expect.stringContaining("expired")]);
  });

  test("another link takes the place of the one before", async () => {
    await using mails = await new TestMailServer().listen();
    await using server = await openTestServer({ env: verifying(mails) });
    await register(server);
    const before = mailedPath(mails);
    expect((await resend(server)).status).toBe(200);
    expect((await server.get(before)).status).toBe(400);
    expect((await server.get(mailedPath(mails))).status).toBe(200);
    const late = await resend(server);
    expect([late.status, late.message]).toEqual([400, expect.stringContaining("already")]);
    expect((await resend(server, "nobody")).status).toBe(404);
  });

  test.each(["auth/verify-email", "auth/verify-email?token=", "auth/verify-email?token=abc"])(
    "a link without a good token is refused: %s",
    async (path) => {
      await using mails = await new TestMailServer().listen();
      await using server = await openTestServer({ env: verifying(mails) });
      const answer = await server.get(path);
      expect([answer.status, answer.json?.code]).toEqual([400, "bad_request"]);
    },
  );

  test("a mail server that is down loses no account, and a new mail is only promised when it went out", async () => {
    const mails = await new TestMailServer().listen();
    const logger = createLogger("error");
    const errors: unknown[] = [];
    logger.error = (...args: unknown[]) => void errors.push(args[1]);
    await using server = await openTestServer({ env: verifying(mails), logger });
    await register(server);
    const link = mailedPath(mails);
    await mails[Symbol.asyncDispose]();
    const carol = { ...bob, username: "carol", email: "carol@example.com" };
    const registered = await server.post("auth/basic/register", undefined, carol);
    expect([registered.status, errors]).toEqual([200, ["verification mail could not be sent"]]);
    const answer = await resend(server);
    expect([answer.status, answer.json?.code]).toEqual([500, "internal"]);
    expect(answer.message).not.toContain("ECONNREFUSED");
    expect((await server.get(link)).status).toBe(200);
  });
});

describe("where addresses are not verified", () => {
  test("accounts can log in at once, and there is nothing to verify", async () => {
    await using mails = await new TestMailServer().listen();
    await using server = await openTestServer({ env: mails.env() });
    await register(server);
    expect((await login(server)).status).toBe(200);
    expect(mails.received).toEqual([]);
    expect((await server.get("auth/verify-email?token=abc")).status).toBe(400);
    expect((await resend(server)).status).toBe(400);
    expect((await server.get("config")).message).toMatchObject({
      email_verification_enabled: false,
      smtp_enabled: true,
    });
  });
});
