import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadConfig } from "../config/load-config.ts";
import { UserError } from "../errors.ts";
import { createLogger } from "../logger.ts";
import { TestMailServer } from "./mail-server.test-support.ts";
import { openMailer } from "./open-mailer.ts";

const directory = mkdtempSync(join(tmpdir(), "mail-"));
afterAll(() => rmSync(directory, { recursive: true }));

const FULL = {
  GRADIENT_EMAIL_ENABLED: "true",
  GRADIENT_EMAIL_SMTP_HOST: "mail.example",
  GRADIENT_EMAIL_FROM_ADDRESS: "farm@farm.example",
};

/** The mailer of these settings, and what was warned of. */
async function open(env: Record<string, string>) {
  const logger = createLogger("warn");
  const warnings: unknown[] = [];
  logger.warn = (...args: unknown[]) => void warnings.push(args);
  const config = loadConfig({ env, flags: {}, file: null });
  return { mailer: await openMailer(config, logger), warnings };
}

test("mail is off unless it is switched on", async () => {
  expect(await open({ ...FULL, GRADIENT_EMAIL_ENABLED: "false" })).toEqual({
    mailer: null,
    warnings: [],
  });
});

test.each([
  ["GRADIENT_EMAIL_SMTP_HOST", { ...FULL, GRADIENT_EMAIL_SMTP_HOST: "" }],
  ["GRADIENT_EMAIL_FROM_ADDRESS", { ...FULL, GRADIENT_EMAIL_FROM_ADDRESS: "" }],
  ["GRADIENT_EMAIL_SMTP_PASSWORD_FILE", { ...FULL, GRADIENT_EMAIL_SMTP_USERNAME: "farm" }],
  ["GRADIENT_EMAIL_SMTP_USERNAME", { ...FULL, GRADIENT_EMAIL_SMTP_PASSWORD_FILE: "/x" }],
])("mail is off and warned of without %s", async (missing, env) => {
  const { mailer, warnings } = await open(env);
  expect(mailer).toBeNull();
  expect(warnings).toEqual([[{ missing: [missing] }, expect.stringContaining("mail is off")]]);
});

test("verification without mail is warned of", async () => {
  const { mailer, warnings } = await open({ GRADIENT_EMAIL_REQUIRE_VERIFICATION: "true" });
  expect(mailer).toBeNull();
  expect(warnings).toHaveLength(1);
});

test("the password comes from its file", async () => {
  const logins: unknown[] = [];
  await using server = await new TestMailServer({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, done) => {
      logins.push([username, password]);
      done(null, { user: username });
    },
  }).listen();
  const file = join(directory, "password");
  writeFileSync(file, "geheim\n");
  const { mailer } = await open({
    ...server.env(),
    GRADIENT_EMAIL_SMTP_USERNAME: "farm",
    GRADIENT_EMAIL_SMTP_PASSWORD_FILE: file,
  });
  await mailer?.send({ to: "bob@example.com", subject: "s", text: "t" });
  expect(logins).toEqual([["farm", "geheim"]]);
  expect(server.received).toHaveLength(1);
});

test("a password file that cannot be read stops the start", async () => {
  const env = {
    ...FULL,
    GRADIENT_EMAIL_SMTP_USERNAME: "farm",
    GRADIENT_EMAIL_SMTP_PASSWORD_FILE: join(directory, "nowhere"),
  };
  await expect(open(env)).rejects.toThrow(UserError);
  await expect(open(env)).rejects.toThrow("cannot be read");
});
