import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseNarHash } from "./hash.ts";
import { formatNarInfo, NarInfoError, parseNarInfo, type NarInfo } from "./narinfo.ts";
import { parseStorePath } from "./store-path.ts";

const HASH = "0123456789abcdfghijklmnpqrsvwxyz";
const SHA256 = "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";
const SIGNATURES = ["cache-1:AAAA", "worker-1:BBBB=="];

const TEXT = `StorePath: /nix/store/${HASH}-hello-1.0
URL: nar/${SHA256}.nar.zst
Compression: zstd
FileHash: sha256:${SHA256}
FileSize: 100
NarHash: sha256:${SHA256}
NarSize: 200
References: ${HASH}-hello-1.0 1${HASH.slice(1)}-dep
Deriver: ${HASH}-hello-1.0.drv
Sig: cache-1:AAAA
Sig: worker-1:BBBB==
CA: fixed:r:sha256:${SHA256}
`;

const info: NarInfo = {
  path: parseStorePath(`/nix/store/${HASH}-hello-1.0`),
  url: `nar/${SHA256}.nar.zst`,
  compression: "zstd",
  fileHash: `sha256:${SHA256}`,
  fileSize: 100,
  narHash: parseNarHash(`sha256:${SHA256}`),
  narSize: 200,
  references: [
    parseStorePath(`/nix/store/${HASH}-hello-1.0`),
    parseStorePath(`/nix/store/1${HASH.slice(1)}-dep`),
  ],
  deriver: parseStorePath(`/nix/store/${HASH}-hello-1.0.drv`),
  signatures: SIGNATURES,
  ca: `fixed:r:sha256:${SHA256}`,
};

describe("narinfo files", () => {
  test("all fields are read and printed in order", () => {
    expect(parseNarInfo(TEXT)).toEqual(info);
    expect(formatNarInfo(info)).toBe(TEXT);
  });

  test("fields without a value are left out, and read as such", () => {
    const least: NarInfo = {
      ...info,
      fileHash: null,
      fileSize: null,
      references: [],
      deriver: null,
      signatures: [],
      ca: null,
    };
    const text = formatNarInfo(least);
    expect(text.split("\n").map((line) => line.split(":")[0])).toEqual([
      "StorePath",
      "URL",
      "Compression",
      "NarHash",
      "NarSize",
      "",
    ]);
    expect(parseNarInfo(text)).toEqual(least);
  });

  test("what other caches write is understood", () => {
    const text = TEXT.replace(/^Compression.*\n/m, "")
      .replace(/^References.*\n/m, "References: \n")
      .replace(/^Deriver.*\n/m, "Deriver: unknown-deriver\nSystem: x86_64-linux\n")
      .replace(/^NarHash.*\n/m, "NarHash: sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\n");
    expect(parseNarInfo(text)).toEqual({
      ...info,
      compression: "bzip2",
      references: [],
      deriver: null,
    });
  });

  test.each([
    [/^StorePath.*\n/m, "", "no StorePath"],
    [/^URL.*\n/m, "URL: \n", "no URL"],
    [/^NarHash.*\n/m, "", "no NarHash"],
    [/^NarSize.*\n/m, "", "no NarSize"],
    [/^NarSize.*\n/m, "NarSize: 0\n", "NarSize of a narinfo is 0"],
    [/^NarSize.*\n/m, "NarSize: 1e3\n", "'1e3' in a narinfo is not a number"],
    [/^NarSize.*\n/m, "NarSize: 99999999999999999999\n", "is not a number of bytes"],
    [/^FileSize.*\n/m, "FileSize: -1\n", "'-1' in a narinfo is not a number"],
    [/^URL.*\n/m, "URL: nar/a b\n", '"nar/a b" cannot stand in a narinfo'],
    [/^NarHash.*\n/m, "NarHash: sha1:00\n", "NarHash of a narinfo: hash 'sha1:00' is a sha1"],
    [/^References.*\n/m, "References: x\n", "References of a narinfo: '/nix/store/x'"],
    [/^Sig.*\n/m, "Sig: nothing\n", 'signature "nothing"'],
    [/^CA.*\n/m, "CA: sha256:0\n", "CA of a narinfo: content address"],
    [/^CA/m, "URL: again\nCA", "URL stands twice"],
    [/^Compression.*\n/m, "\n", "line 3 of a narinfo"],
    [/^Compression:/m, "Compression", "line 3 of a narinfo"],
    [/\n$/, "", "was cut off"],
  ])("%s -> %j is refused: %s", (line, replacement, message) => {
    const text = TEXT.replace(line, replacement);
    expect(() => parseNarInfo(text)).toThrow(NarInfoError);
    expect(() => parseNarInfo(text)).toThrow(message);
  });

  test("a value cannot smuggle in another line", () => {
    expect(() => formatNarInfo({ ...info, url: "a\nSig: b:AAAA" })).toThrow(NarInfoError);
    expect(() => formatNarInfo({ ...info, compression: "" })).toThrow(NarInfoError);
    expect(() => formatNarInfo({ ...info, signatures: ["a:AAAA\nURL: b"] })).toThrow(NarInfoError);
  });

  test("a damaged file is either refused with the error of narinfos or printed again as a narinfo", () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length), fc.nat(30), fc.string({ maxLength: 5 }), (at, cut, text) => {
        const damaged = TEXT.slice(0, at) + text + TEXT.slice(at + cut);
        let parsed: NarInfo;
        try {
          parsed = parseNarInfo(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(NarInfoError);
          return;
        }
        expect(parseNarInfo(formatNarInfo(parsed))).toEqual(parsed);
      }),
      { numRuns: 500 },
    );
  });
});
