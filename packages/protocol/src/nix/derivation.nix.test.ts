import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDerivationFacts } from "./derivation-facts.ts";
import {
  derivationStorePath,
  formatDerivation,
  parseDerivation,
  type Derivation,
} from "./derivation.ts";
import { DerivationError } from "./derivation.ts";
import { hashDerivationModulo, outputPaths, type ModuloHash } from "./output-paths.ts";
import { PrivateStore } from "./private-store.test-support.ts";
import { parseDrvPath, storePathName, type DrvPath } from "./store-path.ts";

/** All kinds of derivations, each with the others as inputs where that can matter. Nothing is built. */
const EXPRESSION = String.raw`
let
  make = attributes: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; } // attributes);
  sha256 = builtins.hashString "sha256" "x";
  floating = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
  plain = make { name = "plain"; source = builtins.toFile "source.txt" "text"; };
  outputs = make { name = "outputs-1.0"; outputs = [ "out" "dev" "doc" ]; inherit plain; };
  flat = make { name = "flat.tar.gz"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = sha256; };
  recursive = make { name = "recursive"; outputHashMode = "recursive"; outputHash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; };
  sha1 = make { name = "sha1"; outputHashMode = "recursive"; outputHashAlgo = "sha1"; outputHash = builtins.hashString "sha1" "x"; };
  md5 = make { name = "md5"; outputHashMode = "flat"; outputHashAlgo = "md5"; outputHash = builtins.hashString "md5" "x"; };
  sha512 = make { name = "sha512"; outputHashAlgo = "sha512"; outputHash = builtins.hashString "sha512" "x"; };
  mirror = make { name = "flat.tar.gz"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = sha256; url = "another"; };
  sameHash = make { name = "same-hash"; inputs = [ flat mirror outputs outputs.dev ]; };
  bytes = make { name = "bytes"; text = "naïve ☃ \t \"quoted\" back\\slash\r\nnew line"; raw = builtins.readFile ./latin1.txt; inherit sha512; };
  structured = make { name = "structured"; __structuredAttrs = true; pname = "naïve"; requiredSystemFeatures = [ "kvm" ]; preferLocalBuild = true; timeout = 5; inputs = [ md5 sha1 recursive ]; };
  settings = make { name = "settings"; pname = "set"; requiredSystemFeatures = [ "big-parallel" "kvm" ]; preferLocalBuild = true; allowSubstitutes = false; timeout = 60; NIXBUILDNET_MIN_CPU = 2; NIXBUILDNET_TAG_kind = "test"; };
  content = make ({ name = "content"; inherit plain; } // floating);
  onContent = make { name = "on-content"; inherit content; };
  fixedOnContent = make { name = "fixed-on-content"; inherit content; outputHashAlgo = "sha256"; outputHash = sha256; };
  top = make { name = "top"; inputs = [ outputs.doc sameHash bytes structured settings fixedOnContent ]; };
in [ top onContent ]
`;

const store = new PrivateStore();
const files = new Map<DrvPath, Buffer>();

beforeAll(() => {
  writeFileSync(join(store.directory, "latin1.txt"), Buffer.from([0x6e, 0x61, 0xef, 0xff, 0x80]));
  writeFileSync(join(store.directory, "all.nix"), EXPRESSION);
  const tops = store.lines("nix-instantiate", join(store.directory, "all.nix"));
  for (const path of store.lines("nix-store", "--query", "--requisites", ...tops)) {
    if (path.endsWith(".drv")) files.set(parseDrvPath(path), readFileSync(store.file(path)));
  }
});
afterAll(() => {
  store.remove();
});

function find(name: string): Derivation {
  for (const [path, bytes] of files) {
    if (storePathName(path) === `${name}.drv`) return parseDerivation(bytes);
  }
  throw new Error(`no derivation is named ${name}`);
}

describe("derivations that Nix wrote", () => {
  test("are printed byte for byte, and their paths follow from their bytes", () => {
    expect(files.size).toBe(16);
    for (const [path, bytes] of files) {
      const derivation = parseDerivation(bytes);
      expect(formatDerivation(derivation).equals(bytes)).toBe(true);
      expect(derivationStorePath(storePathName(path), derivation, bytes)).toBe(path);
    }
  });

  test("have the output paths that we compute", () => {
    const known = new Map<DrvPath, ModuloHash>();
    const unknown: string[] = [];
    // nix-store names dependencies first
    for (const [path, bytes] of files) {
      const derivation = parseDerivation(bytes);
      const name = storePathName(path).replace(/\.drv$/, "");
      const computed = outputPaths(name, derivation, (input) => known.get(input));
      const stated = new Map([...derivation.outputs].map(([output, { path: at }]) => [output, at]));
      expect(computed).toEqual(stated);
      known.set(
        path,
        hashDerivationModulo(derivation, (input) => known.get(input)),
      );
      if (known.get(path) === null) unknown.push(name);
    }
    expect(unknown.sort()).toEqual(["content", "on-content"]);
  });

  test("do not vouch for their own output paths: a false one is not repeated", () => {
    const honest = find("settings");
    const [out] = honest.outputs.values();
    const lie = parseDrvPath(`/nix/store/${"0".repeat(32)}-lie.drv`);
    const outputs = new Map([["out", { path: lie, hashAlgo: "", hash: "" }]]);
    const forged = { ...honest, outputs, env: new Map(honest.env).set("out", lie) };
    expect(outputPaths("settings", forged, () => undefined).get("out")).toBe(out?.path);
  });

  test("need their inputs to be known", () => {
    expect(() => outputPaths("top", find("top"), () => undefined)).toThrow(DerivationError);
    expect(() => hashDerivationModulo(find("top"), () => undefined)).toThrow("read it first");
  });

  test("tell their facts", () => {
    expect(readDerivationFacts(find("settings"))).toMatchObject({
      pname: "set",
      requiredSystemFeatures: ["big-parallel", "kvm"],
      preferLocalBuild: true,
      allowSubstitutes: false,
      timeoutSeconds: 60,
      minCpu: 2,
      tags: { kind: "test" },
    });
    expect(readDerivationFacts(find("structured"))).toMatchObject({
      pname: "naïve",
      requiredSystemFeatures: ["kvm"],
      preferLocalBuild: true,
      timeoutSeconds: 5,
    });
    expect(readDerivationFacts(find("flat.tar.gz")).isFixedOutput).toBe(true);
    expect(readDerivationFacts(find("content")).requiredSystemFeatures).toEqual(["ca-derivations"]);
  });
});
