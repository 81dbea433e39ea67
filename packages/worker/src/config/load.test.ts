import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { loadConfig, loadIdentityConfig, unknownVariables } from "./load.ts";

const MINIMUM = {
  GRADIENT_WORKER_SERVER_URL: "wss://farm.example/proto",
  GRADIENT_WORKER_PEERS_FILE: "/etc/peers",
};

function fromEnv(env: Record<string, string>) {
  return loadConfig({ flags: {}, configFile: undefined, env: { ...MINIMUM, ...env } });
}

function problemOf(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error("expected a UserError");
}

describe("settings", () => {
  test("have defaults for all but server and peers", () => {
    const config = fromEnv({});
    expect(config).toMatchObject({
      peersFile: "/etc/peers",
      stateDir: "/var/lib/gradient-worker",
      capabilityFetch: true,
      capabilityEval: true,
      capabilityBuild: true,
      maxConcurrentBuilds: null,
      systems: null,
      logLevel: "info",
    });
    expect(config.server.href).toBe("wss://farm.example/proto");
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("a time that is longer than a timer can wait is refused, as it would be over at once", () => {
    const load = () => fromEnv({ GRADIENT_WORKER_SHUTDOWN_GRACE: "2592000" });
    expect(problemOf(load)).toContain("GRADIENT_WORKER_SHUTDOWN_GRACE is not usable");
    const longest = fromEnv({ GRADIENT_WORKER_SHUTDOWN_GRACE: "2073600" }).shutdownGraceSeconds;
    expect(longest * 1000).toBeLessThan(2 ** 31);
  });

  test("a flag wins over the environment, which wins over the file", async () => {
    const file = join(await temporaryDirectory(), "worker.json");
    await writeFile(
      file,
      JSON.stringify({ maxConcurrentBuilds: 1, logLevel: "debug", systems: ["i686-linux"] }),
    );
    const config = loadConfig({
      flags: { maxConcurrentBuilds: "3" },
      configFile: file,
      env: { ...MINIMUM, GRADIENT_MAX_CONCURRENT_BUILDS: "2", GRADIENT_LOG_LEVEL: "warn" },
    });
    expect(config.maxConcurrentBuilds).toBe(3);
    expect(config.logLevel).toBe("warn");
    expect(config.systems).toEqual(["i686-linux"]);
  });

  test.each([
    ["ws://host:3000", "ws://host:3000/proto"],
    ["http://host", "ws://host/proto"],
    ["https://host/", "wss://host/proto"],
    ["https://host/farm/proto", "wss://host/farm/proto"],
  ])("a server may be given as %s", (given, address) => {
    expect(fromEnv({ GRADIENT_WORKER_SERVER_URL: given }).server.href).toBe(address);
  });

  test("lists are split at commas, switches read in the usual words", () => {
    const config = fromEnv({
      GRADIENT_WORKER_ARCHITECTURES: "x86_64-linux, i686-linux,",
      GRADIENT_WORKER_SYSTEM_FEATURES: "",
      GRADIENT_WORKER_CAPABILITY_EVAL: "false",
    });
    expect(config.systems).toEqual(["x86_64-linux", "i686-linux"]);
    expect(config.systemFeatures).toBeNull();
    expect(config.capabilityEval).toBe(false);
  });
});

describe("a mistake names the setting and its source", () => {
  test.each([
    ["GRADIENT_WORKER_SERVER_URL", "ftp://host"],
    ["GRADIENT_MAX_CONCURRENT_BUILDS", "many"],
    ["GRADIENT_WORKER_CAPABILITY_BUILD", "perhaps"],
    ["GRADIENT_LOG_LEVEL", "loud"],
    ["GRADIENT_WORKER_ARCHITECTURES", ","],
    ["GRADIENT_WORKER_SYSTEM_FEATURES", "kvm big-parallel"],
  ])("in %s", (name, value) => {
    expect(problemOf(() => fromEnv({ [name]: value }))).toContain(`${name} is not usable`);
  });

  test("with what the value has to be", () => {
    expect(problemOf(() => fromEnv({ GRADIENT_MAX_EVAL_RSS: "8G" }))).toContain(
      "it has to be a whole number from 67108864 to",
    );
    expect(problemOf(() => fromEnv({ GRADIENT_MAX_CONCURRENT_BUILDS: "-1" }))).toContain(
      "from 1 to 10000",
    );
    expect(problemOf(() => fromEnv({ GRADIENT_WORKER_CAPABILITY_EVAL: "maybe" }))).toContain(
      "true or false",
    );
  });

  test("a missing server", () => {
    const load = () => loadConfig({ flags: {}, configFile: undefined, env: {} });
    expect(problemOf(load)).toContain("--server or GRADIENT_WORKER_SERVER_URL");
  });

  test("missing peers", () => {
    const env = { GRADIENT_WORKER_SERVER_URL: "ws://host" };
    const load = () => loadConfig({ flags: {}, configFile: undefined, env });
    expect(problemOf(load)).toContain("--peers-file");
  });

  test("an unknown key in the config file", async () => {
    const file = join(await temporaryDirectory(), "worker.json");
    await writeFile(file, JSON.stringify({ maxBuilds: 3 }));
    const load = () => loadConfig({ flags: {}, configFile: file, env: MINIMUM });
    expect(problemOf(load)).toContain("'maxBuilds'");
  });

  test("a config file that is not there", () => {
    const load = () => loadConfig({ flags: {}, configFile: "/no/such/file", env: MINIMUM });
    expect(problemOf(load)).toContain("/no/such/file");
  });
});

test("variables that look like settings and are none are found", () => {
  const env = { ...MINIMUM, GRADIENT_WORKER_PEER: "x", GRADIENT_WORKER_CONFIG: "y", PATH: "z" };
  expect(unknownVariables(env)).toEqual(["GRADIENT_WORKER_PEER"]);
});

test("the id needs no server", () => {
  const config = loadIdentityConfig({ flags: { stateDir: "/x" }, configFile: undefined, env: {} });
  expect(config).toEqual({ stateDir: "/x", workerId: null });
});
