import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NIX32_ALPHABET } from "./base32.ts";
import {
  decodeText,
  DerivationError,
  derivationStorePath,
  formatDerivation,
  parseDerivation,
  type Derivation,
} from "./derivation.ts";
import { parseDrvPath, parseStorePath, sortedPaths } from "./store-path.ts";

const HASH = "0123456789abcdfghijklmnpqrsvwxyz";
const TEXT =
  `Derive([("out","/nix/store/${HASH}-a","","")],` +
  `[("/nix/store/${HASH}-b.drv",["dev","out"])],["/nix/store/${HASH}-src"],` +
  `"x86_64-linux","/bin/sh",["-c","a\\nb\\t\\"\\\\"],[("name","a"),("out","/nix/store/${HASH}-a")])`;

const hashParts = fc.string({
  unit: fc.constantFrom(...NIX32_ALPHABET.split("")),
  minLength: 32,
  maxLength: 32,
});
const paths = hashParts.map((hash) => parseStorePath(`/nix/store/${hash}-x`));
const drvPaths = hashParts.map((hash) => parseDrvPath(`/nix/store/${hash}-x.drv`));
const byteStrings = fc.oneof(
  fc.string({
    unit: fc.constantFrom(...'ab"\\\n\r\t,()[]\0\xff\xc3\xa9'.split("")),
    maxLength: 20,
  }),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
);
const outputNames = fc.constantFrom("out", "dev", "doc", "lib", "bin");

function sortedMap<K extends string, V>(entries: readonly (readonly [K, V])[]): Map<K, V> {
  return new Map([...new Map(entries)].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const outputs = fc.record({
  path: fc.option(paths),
  hashAlgo: fc.constantFrom("", "sha256", "r:sha256"),
  hash: fc.constantFrom("", "00ff"),
});
const inputs = fc.uniqueArray(outputNames).map((names) => names.sort());
const derivations: fc.Arbitrary<Derivation> = fc.record({
  outputs: fc.array(fc.tuple(outputNames, outputs)).map(sortedMap),
  inputDrvs: fc.array(fc.tuple(drvPaths, inputs)).map(sortedMap),
  inputSrcs: fc.array(paths).map(sortedPaths),
  system: byteStrings,
  builder: byteStrings,
  args: fc.array(byteStrings),
  env: fc.array(fc.tuple(byteStrings, byteStrings)).map(sortedMap),
});

describe("derivations", () => {
  test("a derivation is read and printed byte for byte", () => {
    const derivation = parseDerivation(Buffer.from(TEXT));
    expect(derivation.args).toEqual(["-c", 'a\nb\t"\\']);
    expect([...derivation.inputDrvs.values()]).toEqual([["dev", "out"]]);
    expect(derivation.outputs.get("out")?.path).toBe(`/nix/store/${HASH}-a`);
    expect(formatDerivation(derivation).toString()).toBe(TEXT);
  });

  test("every derivation comes back from its file", () => {
    fc.assert(
      fc.property(derivations, (derivation) => {
        expect(parseDerivation(formatDerivation(derivation))).toEqual(derivation);
      }),
    );
  });

  test("a damaged file is refused with the error of derivations, or is another derivation's file", () => {
    const original = Buffer.from(TEXT);
    const damage = fc.record({ at: fc.nat(original.length), cut: fc.nat(9), insert: byteStrings });
    fc.assert(
      fc.property(damage, ({ at, cut, insert }) => {
        const bytes = Buffer.concat([
          original.subarray(0, at),
          Buffer.from(insert, "latin1"),
          original.subarray(at + cut),
        ]);
        let derivation: Derivation;
        try {
          derivation = parseDerivation(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DerivationError);
          return;
        }
        expect(formatDerivation(derivation).equals(bytes)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("strings are bytes: what is no UTF-8 survives, and is decoded only for people", () => {
    const bytes = Buffer.from(TEXT.replace("/bin/sh", "na\xefve \xc3\xa9"), "latin1");
    const derivation = parseDerivation(bytes);
    expect(derivation.builder).toBe("na\xefve \xc3\xa9");
    expect(decodeText(derivation.builder)).toBe("na\ufffdve é");
    expect(formatDerivation(derivation).equals(bytes)).toBe(true);
  });

  test.each([
    ["", "at byte 0: 'Derive(' was expected"],
    [`DrvWithVersion("xp-dyn-drv",${TEXT})`, "dynamic derivations are not supported"],
    [TEXT.slice(0, -1), "')' was expected"],
    [`${TEXT} `, "data follows its end"],
    [TEXT.replace("\\t", "\t"), "a string does not end"],
    [TEXT.replace("\\t", "\\x"), "unknown escape"],
    [TEXT.slice(0, 60), "a string does not end"],
    [TEXT.replace('"dev","out"', '"out","dev"'), "'dev' does not come after 'out'"],
    [TEXT.replace('"dev","out"', '"out","out"'), "'out' does not come after 'out'"],
    [TEXT.replace("-b.drv", "-b"), "does not end in .drv"],
    [TEXT.replace(`${HASH}-src`, "src"), "'/nix/store/src' is not a store path"],
    [TEXT.replace('("name","a")', '("z","a")'), "'out' does not come after 'z'"],
    [TEXT.replace('[("out"', '[("o/t"'), "output name 'o/t' is not allowed"],
  ])("%j is refused: %s", (text, message) => {
    expect(() => parseDerivation(Buffer.from(text))).toThrow(DerivationError);
    expect(() => parseDerivation(Buffer.from(text))).toThrow(message);
  });

  test("the path of a derivation depends on its bytes, its inputs and its name", () => {
    const derivation = parseDerivation(Buffer.from(TEXT));
    const bytes = Buffer.from(TEXT);
    const base = derivationStorePath("a.drv", derivation, bytes);
    expect(base).toMatch(/^\/nix\/store\/[0-9a-z]{32}-a\.drv$/);
    expect(derivationStorePath("b.drv", derivation, bytes)).not.toBe(base);
    expect(derivationStorePath("a.drv", derivation, Buffer.from(`${TEXT} `))).not.toBe(base);
    expect(derivationStorePath("a.drv", { ...derivation, inputSrcs: [] }, bytes)).not.toBe(base);
    expect(() => derivationStorePath("a", derivation, bytes)).toThrow("does not end in .drv");
  });
});
