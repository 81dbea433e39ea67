import { describe, expect, test } from "vitest";
import { buildLimitsOf, readDerivationFacts } from "./derivation-facts.ts";
import { DerivationError, type Derivation, type DerivationOutput } from "./derivation.ts";

function derivation(
  env: Record<string, string>,
  output: Partial<DerivationOutput> = {},
): Derivation {
  return {
    outputs: new Map([["out", { path: null, hashAlgo: "", hash: "", ...output }]]),
    inputDrvs: new Map(),
    inputSrcs: [],
    system: "x86_64-linux",
    builder: "/bin/sh",
    args: [],
    env: new Map(Object.entries(env).map(([name, value]) => [name, latin1(value)])),
  };
}

/** Text as it stands in a derivation: one character for each byte. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

const nothing = {
  system: "x86_64-linux",
  requiredSystemFeatures: [],
  preferLocalBuild: false,
  allowSubstitutes: true,
  isFixedOutput: false,
  pname: null,
  timeoutSeconds: null,
  maxSilentSeconds: null,
  minCpu: null,
  maxCpu: null,
  minMemoryMegabytes: null,
  maxMemoryMegabytes: null,
  reusesFailures: null,
  reusesTimeouts: null,
  tags: {},
};

const everything = {
  system: "x86_64-linux",
  requiredSystemFeatures: ["big-parallel", "kvm"],
  preferLocalBuild: true,
  allowSubstitutes: false,
  isFixedOutput: false,
  pname: "héllo",
  timeoutSeconds: 60,
  maxSilentSeconds: 0,
  minCpu: 2,
  maxCpu: 8,
  minMemoryMegabytes: 1024,
  maxMemoryMegabytes: 4096,
  reusesFailures: true,
  reusesTimeouts: false,
  tags: { commit: "é", number: "7" },
};

describe("facts of a derivation", () => {
  test("a derivation that says nothing has Nix's defaults", () => {
    expect(readDerivationFacts(derivation({}))).toEqual(nothing);
  });

  test("they are read from the environment", () => {
    const facts = readDerivationFacts(
      derivation({
        requiredSystemFeatures: "kvm  big-parallel\nkvm",
        preferLocalBuild: "1",
        allowSubstitutes: "",
        pname: "héllo",
        timeout: "60",
        maxSilent: "0",
        NIXBUILDNET_MIN_CPU: "2",
        NIXBUILDNET_MAX_CPU: "8",
        NIXBUILDNET_MIN_MEM: "1024",
        NIXBUILDNET_MAX_MEM: "4096",
        NIXBUILDNET_REUSE_BUILD_FAILURES: "1",
        NIXBUILDNET_REUSE_BUILD_TIMEOUTS: "",
        NIXBUILDNET_TAG_commit: "é",
        NIXBUILDNET_TAG_number: "7",
        NIXBUILDNET_TAG_: "no name",
      }),
    );
    expect(facts).toEqual(everything);
  });

  test("they are read from structured attributes, and then from nowhere else", () => {
    const attributes = {
      requiredSystemFeatures: ["kvm", "big-parallel"],
      preferLocalBuild: true,
      allowSubstitutes: false,
      pname: "héllo",
      timeout: 60,
      maxSilent: "0",
      NIXBUILDNET_MIN_CPU: 2,
      NIXBUILDNET_MAX_CPU: "8",
      NIXBUILDNET_MIN_MEM: 1024,
      NIXBUILDNET_MAX_MEM: 4096,
      NIXBUILDNET_REUSE_BUILD_FAILURES: "true",
      NIXBUILDNET_REUSE_BUILD_TIMEOUTS: false,
      NIXBUILDNET_TAG_commit: "é",
      NIXBUILDNET_TAG_number: 7,
    };
    const env = { __json: JSON.stringify(attributes), preferLocalBuild: "", pname: "other" };
    expect(readDerivationFacts(derivation(env))).toEqual(everything);
  });

  test.each(["-1", "1.5", "1e3", "many", "99999999999999999999", ""])(
    "the number %j counts as not said",
    (number) => {
      expect(readDerivationFacts(derivation({ timeout: number }))).toEqual(nothing);
    },
  );

  test("a switch that is neither on nor off counts as not said", () => {
    const env = { NIXBUILDNET_REUSE_BUILD_FAILURES: "maybe" };
    expect(readDerivationFacts(derivation(env))).toEqual(nothing);
  });

  test("a content-addressed derivation needs a Nix that knows them; a fixed output does not", () => {
    const floating = readDerivationFacts(derivation({}, { hashAlgo: "r:sha256" }));
    expect(floating.requiredSystemFeatures).toEqual(["ca-derivations"]);
    expect(floating.isFixedOutput).toBe(false);
    const fixed = readDerivationFacts(derivation({}, { hashAlgo: "sha256", hash: "00" }));
    expect(fixed).toEqual({ ...nothing, isFixedOutput: true });
  });

  test.each(["{", "[]", "null", '"text"'])("structured attributes %s are refused", (json) => {
    expect(() => readDerivationFacts(derivation({ __json: json }))).toThrow(DerivationError);
  });

  test("names that mean something to JavaScript are only names", () => {
    const { tags } = readDerivationFacts(derivation({ ["NIXBUILDNET_TAG___proto__"]: "x" }));
    expect(Object.entries(tags)).toEqual([["__proto__", "x"]]);
  });
});

describe("limits of a build, as its derivation sets them", () => {
  const limits = (env: Record<string, string>) =>
    buildLimitsOf(readDerivationFacts(derivation(env)));

  test("there are none when it says nothing, or 0, or what no machine can have", () => {
    const none = { timeoutSeconds: null, maxSilentSeconds: null, cores: null, memoryBytes: null };
    expect(limits({})).toEqual(none);
    expect(
      limits({
        timeout: "0",
        maxSilent: "0",
        NIXBUILDNET_MAX_CPU: "0",
        NIXBUILDNET_MAX_MEM: "9007199254740991",
      }),
    ).toEqual(none);
  });

  test("memory is in megabytes, and nixbuild.net's names of the times win over Nixpkgs'", () => {
    expect(
      limits({
        timeout: "60",
        NIXBUILDNET_TIMEOUT: "30",
        maxSilent: "6",
        NIXBUILDNET_MAX_SILENT_TIME: "3",
        NIXBUILDNET_MAX_CPU: "2",
        NIXBUILDNET_MAX_MEM: "512",
      }),
    ).toEqual({ timeoutSeconds: 30, maxSilentSeconds: 3, cores: 2, memoryBytes: 512 * 2 ** 20 });
  });

  test("the smallest amount alone is no limit, and is not undercut by the largest", () => {
    expect(limits({ NIXBUILDNET_MIN_CPU: "4", NIXBUILDNET_MIN_MEM: "64" })).toMatchObject({
      cores: null,
      memoryBytes: null,
    });
    expect(
      limits({ NIXBUILDNET_MIN_CPU: "4", NIXBUILDNET_MAX_CPU: "2", NIXBUILDNET_MAX_MEM: "8" }),
    ).toMatchObject({ cores: 4, memoryBytes: 8 * 2 ** 20 });
  });

  test("structured attributes set them too", () => {
    const json = JSON.stringify({ NIXBUILDNET_MAX_CPU: 3, timeout: 9 });
    expect(limits({ __json: json })).toMatchObject({ cores: 3, timeoutSeconds: 9 });
  });
});
