import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeCertificate } from "../../../../scripts/lib/certificate.mjs";
import { TestMailServer } from "./mail-server.test-support.ts";
import { SmtpMailer, type SmtpOptions } from "./smtp-mailer.ts";

const directory = await mkdtemp(join(tmpdir(), "mail-"));
const certificate = await makeCertificate(directory);
const MAIL = { to: "bob@example.com", subject: "Grüße", text: "Hello Bob" };

const mailer = (port: number, options: Partial<SmtpOptions> = {}) =>
  new SmtpMailer({
    host: "127.0.0.1",
    port,
    credentials: null,
    from: { name: "Gradient", address: "farm@farm.example" },
    isTlsRequired: false,
    ...options,
  });

afterAll(() => rm(directory, { recursive: true }));

test("a mail arrives as it was written", async () => {
  await using server = await new TestMailServer().listen();
  await mailer(server.port).send(MAIL);
  expect(server.received).toEqual([
    {
      from: "farm@farm.example",
      to: ["bob@example.com"],
      text: expect.stringMatching(/From: Gradient <farm@farm\.example>[^]*Hello Bob/),
      isEncrypted: false,
      user: null,
    },
  ]);
});

test("an address with the syntax of several is one address", async () => {
  await using server = await new TestMailServer().listen();
  const to = "bob@example.com, eve@example.com";
  await mailer(server.port)
    .send({ ...MAIL, to })
    .catch(() => null);
  expect(server.received.flatMap((mail) => mail.to)).not.toContain("eve@example.com");
});

test("TLS is begun by STARTTLS, and credentials follow it", async () => {
  await using server = await new TestMailServer({
    ...certificate,
    disabledCommands: [],
    authOptional: false,
    onAuth: ({ username, password }, _session, done) => {
      if (username === "farm" && password === "geheim") done(null, { user: username });
      else done(new Error("no"));
    },
  }).listen();
  const tls = { isTlsRequired: true, authorities: certificate.cert };
  await mailer(server.port, {
    ...tls,
    credentials: { username: "farm", password: "geheim" },
  }).send(MAIL);
  expect(server.received).toMatchObject([{ isEncrypted: true, user: "farm" }]);
  const wrong = mailer(server.port, {
    ...tls,
    credentials: { username: "farm", password: "falsch" },
  });
  await expect(wrong.send(MAIL)).rejects.toThrow(/Invalid login/);
});

test("a certificate that nobody vouches for is refused", async () => {
  await using server = await new TestMailServer({ ...certificate, disabledCommands: [] }).listen();
  const distrustful = mailer(server.port, { isTlsRequired: true });
  await expect(distrustful.send(MAIL)).rejects.toThrow(/certificate/);
  expect(server.received).toEqual([]);
});

test("no mail goes out in clear where TLS is required", async () => {
  await using server = await new TestMailServer().listen();
  await expect(mailer(server.port, { isTlsRequired: true }).send(MAIL)).rejects.toThrow(/STARTTLS/);
  expect(server.received).toEqual([]);
});

test("a server that is down is told of", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => {
    closed.listen(0, "127.0.0.1", resolve);
  });
  const address = closed.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((resolve) => closed.close(resolve));
  await expect(mailer(port).send(MAIL)).rejects.toThrow(/ECONNREFUSED/);
});
