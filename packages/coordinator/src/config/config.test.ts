import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { loadConfig } from "./load-config.ts";
import { loadSecrets } from "./secrets.ts";
import type { Environment } from "./settings.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "config-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function fileWith(content: unknown): string {
  const file = join(directory, `${Math.random()}.json`);
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const load = (env: Environment, flags = {}, file: string | null = null) =>
  loadConfig({ env, flags, file });

describe("settings", () => {
  test("have defaults that work", () => {
    expect(load({})).toEqual({
      dataDir: ".",
      listen: { host: "127.0.0.1", port: 3000 },
      serveUrl: null,
      frontendUrl: null,
      jwtSecretFile: null,
      cryptSecretFile: null,
      stateFile: null,
      deleteState: true,
      enableRegistration: true,
      createOrg: "everyone",
      createCache: "everyone",
      globalStatsPublic: false,
      metricsTokenFile: null,
      emailEnabled: false,
      emailRequireVerification: false,
      emailSmtpHost: null,
      emailSmtpPort: 587,
      emailSmtpUsername: null,
      emailSmtpPasswordFile: null,
      emailFromAddress: null,
      emailFromName: "Gradient",
      emailEnableTls: true,
      oidcEnabled: false,
      oidcRequired: false,
      oidcDiscoveryUrl: null,
      oidcClientId: null,
      oidcClientSecretFile: null,
      oidcScopes: "openid email profile",
      oidcGroups: [],
      keepEvaluations: 30,
      leaseSeconds: 1200,
      maxRequestSize: 2_097_152,
      maxNarUploadSize: 512 * 1024 * 1024,
      maxSourceUploadSize: 512 * 1024 ** 2,
      maxStorageGb: 0,
      narTtlHours: 336,
      cpuAccounting: "measured",
      nixbuildPrefix: null,
      maxDirectBuildSize: 1024 ** 3,
      rateLimits: true,
      trustedProxies: ["127.0.0.1/32", "::1/128"],
      objectStore: null,
      accelRedirect: null,
      localIps: ["10.0.0.0/8"],
      allowPrivateAddresses: [],
      logLevel: "info",
    });
  });

  test("come from flags before the environment before the file", () => {
    const file = fileWith({ "lease-seconds": 100, "log-level": "debug", "create-org": "none" });
    const config = load(
      { GRADIENT_LEASE_SECONDS: "200", GRADIENT_LOG_LEVEL: "warn" },
      { leaseSeconds: "300" },
      file,
    );
    expect([config.leaseSeconds, config.logLevel, config.createOrg]).toEqual([300, "warn", "none"]);
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("take address and port from their two variables", () => {
    expect(load({ GRADIENT_IP: "::", GRADIENT_PORT: "80" }).listen).toEqual({
      host: "::",
      port: 80,
    });
    expect(load({ GRADIENT_PORT: "81" }).listen).toEqual({ host: "127.0.0.1", port: 81 });
    expect(load({ GRADIENT_PORT: "" }).listen.port).toBe(3000);
  });

  test("name a bucket of an object store", () => {
    const given = "s3://nars/farm?endpoint=https://s3.example.org&region=eu";
    expect(load({ GRADIENT_OBJECT_STORE: given }).objectStore).toEqual({
      bucket: "nars",
      prefix: "farm/",
      endpoint: "https://s3.example.org",
      region: "eu",
    });
    expect(load({ GRADIENT_OBJECT_STORE: "s3://nars" }).objectStore).toEqual({
      bucket: "nars",
      prefix: "",
      endpoint: null,
      region: "us-east-1",
    });
  });

  test.each([
    ["https://nars", "expected s3://BUCKET"],
    ["s3://N", "expected s3://BUCKET"],
    ["s3://nars?profile=x", "expected s3://BUCKET"],
    ["s3://key:secret@nars", "credentials do not belong here"],
    ["s3://nars?endpoint=https://a:b@c.example", "expected an endpoint"],
    ["s3://nars?endpoint=ftp://c.example", "expected an endpoint"],
  ])("refuse %s as an object store", (given, message) => {
    expect(() => load({ GRADIENT_OBJECT_STORE: given })).toThrow(message);
  });

  test("drop the slash at the end of the URL", () => {
    expect(load({ GRADIENT_SERVE_URL: "https://g.example/" }).serveUrl).toBe("https://g.example");
  });

  test.each([
    [{ GRADIENT_PORT: "x" }, "GRADIENT_IP and GRADIENT_PORT: expected HOST:PORT"],
    [{ GRADIENT_PORT: "70000" }, "expected HOST:PORT"],
    [{ GRADIENT_SERVE_URL: "ftp://x" }, "GRADIENT_SERVE_URL: expected a URL"],
    [
      { GRADIENT_LEASE_SECONDS: "1" },
      "GRADIENT_LEASE_SECONDS: expected whole seconds from 10 to 86400",
    ],
    [{ GRADIENT_CREATE_ORG: "me" }, "expected one of none, superusers, everyone"],
    [{ GRADIENT_ENABLE_REGISTRATION: "maybe" }, "expected true or false"],
    [{ GRADIENT_MAX_REQUEST_SIZE: "big" }, "expected a size"],
    [{ GRADIENT_EMAIL_SMTP_PORT: "0" }, "GRADIENT_EMAIL_SMTP_PORT"],
    [{ GRADIENT_EMAIL_FROM_ADDRESS: "me" }, "expected an e-mail address"],
    [{ GRADIENT_OIDC_SCOPES: "email" }, 'expected scopes with "openid"'],
    [{ GRADIENT_OIDC_GROUPS: "staff=acme" }, "expected GROUP=ORGANIZATION:ROLE"],
    [{ GRADIENT_TRUSTED_PROXIES: "1.2.3.4,x" }, '"x" is no address or range'],
  ])("that are wrong are refused with their source: %j", (env, message) => {
    expect(() => load(env)).toThrow(UserError);
    expect(() => load(env)).toThrow(message);
  });

  test.each([
    ["{", "is not JSON"],
    [[1], "has to hold one object"],
    [{ "lease-secs": 1 }, 'has the unknown setting "lease-secs"'],
  ])("in a file that is wrong are refused: %j", (content, message) => {
    expect(() => load({}, {}, fileWith(content))).toThrow(message);
  });

  test("in a file that is missing are refused", () => {
    expect(() => load({}, {}, "/nonexistent")).toThrow(
      "configuration file /nonexistent cannot be read",
    );
  });
});

describe("secrets", () => {
  const given = (dataDir: string, jwtSecretFile: string | null = null) => ({
    dataDir,
    jwtSecretFile,
    cryptSecretFile: null,
  });

  test("are made once, for nobody else's eyes", async () => {
    const dataDir = join(directory, "fresh");
    const [first, second] = await Promise.all([
      loadSecrets(given(dataDir)),
      loadSecrets(given(dataDir)),
    ]);
    expect(second).toEqual(first);
    expect(await loadSecrets(given(dataDir))).toEqual(first);
    expect(first.masterKey).toHaveLength(32);
    expect(statSync(join(dataDir, "keys", "jwt-secret")).mode & 0o777).toBe(0o600);
    const text = readFileSync(join(dataDir, "keys", "crypt-secret"), "utf8");
    expect(Buffer.from(text, "base64")).toHaveLength(32);
  });

  test("that are there are read, and nothing is written: the disk may be full", async () => {
    const dataDir = join(directory, "kept");
    const first = await loadSecrets(given(dataDir));
    const written = () => statSync(join(dataDir, "keys"), { bigint: true }).mtimeNs;
    const before = written();
    expect(await loadSecrets(given(dataDir))).toEqual(first);
    expect(written()).toBe(before);
  });

  test("can be given, and have to be long enough", async () => {
    const file = fileWith(`${"s".repeat(40)}\n`);
    const { jwtSecret } = await loadSecrets(given(join(directory, "given"), file));
    expect(Buffer.from(jwtSecret).toString()).toBe("s".repeat(40));
    await expect(loadSecrets(given(directory, fileWith("short")))).rejects.toThrow(
      "needs at least 32",
    );
    await expect(loadSecrets(given(directory, "/nonexistent"))).rejects.toThrow("cannot be read");
  });

  test("cannot be made where there is no directory", async () => {
    const file = fileWith("x");
    await expect(loadSecrets(given(file))).rejects.toThrow(UserError);
  });
});
