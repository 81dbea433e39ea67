import { readdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import {
  fingerprint,
  formatNarInfo,
  SecretKey,
  storePathHash,
  type NarInfo,
} from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { storedXz } from "../../../nar-contents/stored-xz.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import {
  deep,
  directory,
  entry,
  file,
  flipped,
  link,
  nar,
  newPath,
  nix32,
  uploadOf,
  words,
  type Upload,
} from "./uploads.test-support.ts";

let server: TestServer;
let alice: string;
let authorization: string;
let library: Upload;
const upstreamKey = SecretKey.generate("upstream-1");

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_MAX_NAR_UPLOAD_SIZE: "64K" } });
  alice = await server.user("alice");
  authorization = `Basic ${Buffer.from(`x:${alice}`).toString("base64")}`;
  await server.put("caches", alice, { name: "main", display_name: "main", public: true });
  await server.services.database.kysely
    .updateTable("cache_upstreams")
    // Its key is known, and it is not asked.
    .set({ public_key: upstreamKey.publicKey.toString(), mode: "WriteOnly" })
    .execute();
  library = uploadOf(nar(file("library")));
  if ((await send(library)) !== "201") throw new Error("the library was not taken");
});
afterAll(() => server[Symbol.asyncDispose]());

async function put(path: string, body: Buffer | string): Promise<string> {
  const response = await fetch(`${server.url}/cache/main/${path}`, {
    method: "PUT",
    headers: { authorization },
    body: Buffer.isBuffer(body) ? new Uint8Array(body) : body,
  });
  const text = await response.text();
  if (response.status === 201) return "201";
  const { code, message } = JSON.parse(text) as { code: string; message: string };
  expect(message.length).toBeGreaterThan(10);
  return `${response.status} ${code}`;
}

/** What the first refusal is; 201 when there was none. */
async function send({ fileName, bytes, info, text = (same) => same }: Upload): Promise<string> {
  const first = await put(`nar/${fileName}`, bytes);
  if (first !== "201") return first;
  return put(`${storePathHash(info.path)}.narinfo`, text(formatNarInfo(info)));
}

interface Traces {
  files: string[];
  rows: unknown[];
}

/** All that is kept: files, and rows of everything that has to do with NARs. */
async function traces(): Promise<Traces> {
  const all = await readdir(join(server.dataDir, "nar"), { recursive: true, withFileTypes: true });
  const db = server.services.database.kysely;
  return {
    files: all
      .filter((each) => each.isFile())
      .map((each) => each.name)
      .toSorted(),
    rows: [
      await db.selectFrom("cache_paths").select("path").orderBy("path").execute(),
      await db.selectFrom("nar_objects").select("nar_hash").orderBy("nar_hash").execute(),
      await db.selectFrom("cache_nar_files").select("file_hash").orderBy("file_hash").execute(),
    ],
  };
}

/** Other bytes each time. */
let goods = 0;
const good = (): Buffer => {
  goods += 1;
  return nar(directory(entry("a", file(`text ${goods}`)), entry("b", link("a"))));
};
const asFile = (archive: Buffer): Upload => uploadOf(archive);
/** Of a file that is refused before anything is said of the NAR in it. */
const packed = (bytes: Buffer, suffix: string, compression: string): Upload =>
  uploadOf(good(), { bytes, suffix, compression });
const named = (name: string): Upload => asFile(nar(directory(entry(name, file("x")))));
function claimed(change: Partial<NarInfo>, archive = good()): Upload {
  const upload = uploadOf(archive);
  return { ...upload, info: { ...upload.info, ...change } };
}
const written = (text: (text: string) => string): Upload => ({ ...uploadOf(good()), text });
async function xzOf(bytes: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  async function* source() {
    yield bytes;
  }
  for await (const piece of storedXz(source())) pieces.push(piece);
  return Buffer.concat(pieces);
}

type Row = [what: string, refusal: string, make: () => Upload | Promise<Upload>];

const badNars: Row[] = [
  ["nothing at all", "422 bad_compression", () => asFile(Buffer.alloc(0))],
  ["half of a NAR", "422 bad_nar", () => asFile(good().subarray(0, good().length >> 1))],
  ["a NAR without its last word", "422 bad_nar", () => asFile(good().subarray(0, -16))],
  ["bytes behind the end", "422 bad_nar", () => asFile(Buffer.concat([good(), Buffer.alloc(8)]))],
  ["a second NAR behind the first", "422 bad_nar", () => asFile(Buffer.concat([good(), good()]))],
  ["another magic word", "422 bad_compression", () => asFile(flipped(good(), 9))],
  ["a flipped bit in a keyword", "422 bad_nar", () => asFile(flipped(good(), 34))],
  ["an entry '..'", "422 bad_nar", () => named("..")],
  ["an entry '.'", "422 bad_nar", () => named(".")],
  ["an entry without a name", "422 bad_nar", () => named("")],
  ["an entry with a slash", "422 bad_nar", () => named("../../etc/passwd")],
  ["an entry with a zero byte", "422 bad_nar", () => named("a\0b")],
  ["an entry of 256 bytes", "422 bad_nar", () => named("n".repeat(256))],
  ["an entry with the case hack", "422 bad_nar", () => named("a~nix~case~hack~1")],
  [
    "entries out of order",
    "422 bad_nar",
    () => asFile(nar(directory(entry("b", file("")), entry("a", file(""))))),
  ],
  [
    "the same entry twice",
    "422 bad_nar",
    () => asFile(nar(directory(entry("a", file("")), entry("a", file(""))))),
  ],
  ["65 directories in one another", "422 bad_nar", () => asFile(nar(deep(66)))],
  [
    "padding that is not zero",
    "422 bad_nar",
    () => asFile(flipped(nar(file("abc")), nar(file("abc")).indexOf("abc") + 4)),
  ],
  ["a node of no known type", "422 bad_nar", () => asFile(nar(words("(", "type", "fifo", ")")))],
  [
    "an executable with a value",
    "422 bad_nar",
    () => asFile(nar(words("(", "type", "regular", "executable", "yes", "contents", "x", ")"))),
  ],
  ["a link to nowhere", "422 bad_nar", () => asFile(nar(link("")))],
  ["a link with a zero byte", "422 bad_nar", () => asFile(nar(link("a\0b")))],
  [
    "a file that claims 2^63 bytes",
    "422 bad_nar",
    () => {
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(2n ** 63n);
      return asFile(nar(Buffer.concat([words("(", "type", "regular", "contents"), size])));
    },
  ],
];

const badFiles: Row[] = [
  ["a text", "422 bad_compression", () => asFile(Buffer.from("hello, this is a text and no NAR"))],
  [
    "zstd that was cut off",
    "422 bad_zstd",
    () => packed(compress(good()).subarray(0, -5), ".zst", "zstd"),
  ],
  [
    "zstd with a flipped bit",
    "422 bad_zstd",
    () => packed(flipped(compress(good(), { checksumFlag: true }), 40), ".zst", "zstd"),
  ],
  [
    "zstd with bytes behind it",
    "422 bad_zstd",
    () => packed(Buffer.concat([compress(good()), Buffer.from("tail")]), ".zst", "zstd"),
  ],
  [
    "xz that was cut off",
    "422 bad_compression",
    async () => packed((await xzOf(good())).subarray(0, -5), ".xz", "xz"),
  ],
  [
    "xz with a flipped bit",
    "422 bad_compression",
    async () => packed(flipped(await xzOf(good()), 100), ".xz", "xz"),
  ],
  [
    "xz with bytes behind it",
    "422 bad_compression",
    async () => packed(Buffer.concat([await xzOf(good()), Buffer.from("tail")]), ".xz", "xz"),
  ],
  [
    "gzip that was cut off",
    "422 bad_compression",
    () => packed(gzipSync(good()).subarray(0, -5), "", "gzip"),
  ],
  [
    "gzip with bytes behind it",
    "422 bad_compression",
    () => packed(Buffer.concat([gzipSync(good()), Buffer.from("tail")]), "", "gzip"),
  ],
  [
    "brotli that was cut off",
    "422 bad_compression",
    () => packed(brotliCompressSync(good()).subarray(0, -5), ".br", "br"),
  ],
  [
    "brotli with bytes behind it",
    "422 bad_compression",
    () => packed(Buffer.concat([brotliCompressSync(good()), Buffer.from("tail")]), ".br", "br"),
  ],
  [
    "bzip2 that is none",
    "422 bad_compression",
    () => packed(Buffer.from("BZh9 and nothing of the kind behind it"), ".bz2", "bzip2"),
  ],
  ["zstd that is called xz", "422 wrong_compression", () => packed(compress(good()), ".xz", "xz")],
  [
    "a file of another hash than its name",
    "422 file_hash_mismatch",
    () => ({ ...uploadOf(good()), bytes: nar(file("another")) }),
  ],
  [
    "a file that is larger than allowed",
    "413 payload_too_large",
    () => asFile(nar(file("x".repeat(70_000)))),
  ],
  [
    "a bomb",
    "422 bad_nar",
    () => {
      const bomb = nar(file("\0".repeat(6_000_000)));
      return uploadOf(bomb, { bytes: compress(bomb), suffix: ".zst", compression: "zstd" });
    },
  ],
];

const badInfos: Row[] = [
  [
    "another NAR hash",
    "422 nar_hash_mismatch",
    () => claimed({ narHash: `sha256:${nix32(Buffer.from("x"))}` as NarInfo["narHash"] }),
  ],
  ["another NAR size", "422 nar_size_mismatch", () => claimed({ narSize: 12 })],
  [
    "another file hash",
    "400 file_hash_mismatch",
    () => claimed({ fileHash: `sha256:${nix32(Buffer.from("x"))}` }),
  ],
  [
    "a file hash of sha1",
    "400 bad_narinfo",
    () => claimed({ fileHash: "sha1:9v2wl5kj9v2wl5kj9v2wl5kj9v2wl5kj" }),
  ],
  ["another file size", "400 file_size_mismatch", () => claimed({ fileSize: 12 })],
  ["another compression", "422 wrong_compression", () => claimed({ compression: "xz" })],
  ["a file outside of nar/", "400 bad_narinfo", () => claimed({ url: "../../etc/passwd" })],
  [
    "a file of another server",
    "400 bad_narinfo",
    () => claimed({ url: "http://127.0.0.1/nar/x.nar" }),
  ],
  [
    "a file that was never sent",
    "422 nar_missing",
    () => claimed({ url: `nar/${nix32(Buffer.from("y"))}.nar` }),
  ],
  [
    "a path of another store",
    "400 bad_narinfo",
    () => written((text) => text.replace("/nix/store/", "/gnu/store/")),
  ],
  [
    "a path with a bad name",
    "400 bad_narinfo",
    () => written((text) => text.replace(/-thing/, "-th*ng")),
  ],
  [
    "a path of another hash than the narinfo's name",
    "400 bad_request",
    () => written((text) => text.replace(/StorePath: .*/, `StorePath: ${newPath()}`)),
  ],
  [
    "a reference that does not occur",
    "422 wrong_references",
    () => claimed({ references: [library.info.path] }),
  ],
  [
    "a reference that is not here",
    "422 missing_reference",
    () => {
      const missing = newPath();
      return claimed({ references: [missing] }, nar(file(missing)));
    },
  ],
  [
    "a reference to itself that is not said",
    "422 wrong_references",
    () => {
      const path = newPath();
      return { ...uploadOf(nar(file(path)), { path }) };
    },
  ],
  [
    "a reference that is no path",
    "400 bad_narinfo",
    () => written((text) => `${text}References: ../../etc\n`),
  ],
  [
    "a deriver that is no derivation",
    "400 bad_narinfo",
    () => claimed({ deriver: library.info.path }),
  ],
  [
    "a signature that is none",
    "400 bad_narinfo",
    () => written((text) => `${text}Sig: nonsense\n`),
  ],
  ["a signature of 3 bytes", "422 wrong_signature", () => claimed({ signatures: ["key-1:AAAA"] })],
  [
    "a wrong signature by the cache's own key",
    "422 wrong_signature",
    () =>
      claimed({ signatures: [`farm.example-8443-main:${Buffer.alloc(64, 1).toString("base64")}`] }),
  ],
  [
    "a signature of an upstream's key over another path",
    "422 wrong_signature",
    () => claimed({ signatures: [upstreamKey.sign(fingerprint(library.info))] }),
  ],
  [
    "17 signatures",
    "422 wrong_signature",
    () =>
      claimed({
        signatures: Array.from(
          { length: 17 },
          (_, n) => `k-${n}:${Buffer.alloc(64, n).toString("base64")}`,
        ),
      }),
  ],
  [
    "a content address of other contents",
    "422 wrong_ca",
    () => claimed({ ca: `fixed:r:sha256:${nix32(Buffer.from("x"))}` }),
  ],
  [
    "a content address that makes another path",
    "422 wrong_ca",
    () => claimed({ ca: `fixed:r:sha256:${nix32(good())}` }),
  ],
  ["a narinfo that was cut off", "400 bad_narinfo", () => written((text) => text.slice(0, -1))],
  ["a field twice", "400 bad_narinfo", () => written((text) => `${text}NarSize: 5\n`)],
  [
    "a size that is no number",
    "400 bad_narinfo",
    () => written((text) => text.replace(/NarSize: \d+/, "NarSize: -1")),
  ],
  ["no narinfo", "400 bad_narinfo", () => written(() => "<html>\n")],
  [
    "the NAR of another path",
    "422 nar_hash_mismatch",
    () => {
      const other = uploadOf(nar(file("one of the same size")));
      const { info } = uploadOf(nar(file("two of the same size")));
      const { url, fileHash } = other.info;
      return { ...other, info: { ...info, url, fileHash } };
    },
  ],
];

/** Whose file no narinfo names: it is kept for a day, unseen, for the narinfo that may still come. */
const unnamed = new Set([
  "a file outside of nar/",
  "a file of another server",
  "a file that was never sent",
  "no narinfo",
]);

describe.each([
  ["a NAR", badNars],
  ["a file", badFiles],
  ["a narinfo", badInfos],
] as const)("%s with a fault is refused, and leaves nothing behind:", (_, rows) => {
  test.each(rows)("%s", async (what, refusal, make) => {
    const before = await traces();
    const upload = await make();
    expect(await send(upload)).toBe(refusal);
    const after = await traces();
    if (unnamed.has(what)) {
      expect(after.files).toHaveLength(before.files.length + 1);
      expect(after.rows[0]).toEqual(before.rows[0]);
    } else {
      expect(after).toEqual(before);
    }
    const url = `/cache/main/${storePathHash(upload.info.path)}.narinfo`;
    expect((await server.get(url)).status).toBe(404);
    expect(
      (
        await server.get(
          `/cache/main/${upload.info.url.startsWith("nar/") ? upload.info.url : "nar/x"}`,
        )
      ).status,
    ).not.toBe(200);
  });
});

test("without any fault all of it is taken", async () => {
  const archive = good();
  for (const [suffix, compression, bytes] of [
    ["", "none", archive],
    ["", "gzip", gzipSync(archive)],
    [".xz", "xz", await xzOf(archive)],
    [".br", "br", brotliCompressSync(archive)],
    [".zst", "zstd", compress(archive)],
  ] as const) {
    expect(await send(uploadOf(archive, { bytes, suffix, compression }))).toBe("201");
  }
  const upload = uploadOf(nar(file(`refers to ${library.info.path}`)));
  const info = { ...upload.info, references: [library.info.path] };
  const signature = upstreamKey.sign(fingerprint(info));
  expect(await send({ ...upload, info: { ...info, signatures: [signature] } })).toBe("201");
  const text = (await server.get(`/cache/main/${storePathHash(info.path)}.narinfo`)).text;
  expect(text).toContain(`Sig: ${signature}\n`);
  expect(text).toContain("Sig: farm.example-8443-main:");
});

/** One request with the path as it stands: fetch would tidy it. */
function raw(method: string, path: string, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const question = request(
      { hostname, port, method, path, headers: { authorization } },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode ?? 0));
      },
    );
    question.on("error", reject);
    question.end(body);
  });
}

describe("a path that climbs out of its place", () => {
  const climbs = [
    "../../keys/jwt-secret",
    "..%2f..%2ffarm.sqlite",
    "%2e%2e%2ffarm.sqlite",
    "..%5c..%5cx",
    "%2fetc%2fpasswd",
    "%00",
    "x%00.narinfo",
    "%ff",
  ];
  const places = [
    "",
    "nar/",
    "log/",
    "ls/",
    "realisations/",
    "build-trace-v2/",
    `build-trace-v2/${"0".repeat(32)}-x.drv/`,
    "debuginfo/",
    `serve/${"0".repeat(32)}/`,
    "serve/",
  ];
  test.each(places)("below /cache/main/%s is refused, read and written", async (place) => {
    const before = await traces();
    for (const climb of climbs) {
      for (const method of ["GET", "HEAD", "PUT"]) {
        const status = await raw(
          method,
          `/cache/main/${place}${climb}`,
          method === "PUT" ? "x" : undefined,
        );
        expect([400, 404, 405]).toContain(status);
      }
    }
    expect(await traces()).toEqual(before);
    const documents = await server.services.database.kysely
      .selectFrom("cache_documents")
      .select("name")
      .execute();
    expect(documents).toEqual([]);
  });

  test("in the API's parameters is refused", async () => {
    for (const climb of climbs) {
      for (const path of [
        `nars/${climb}`,
        `nars/${climb}/chunk?offset=0`,
        `nars/${climb}/finalize`,
      ]) {
        expect([400, 401, 404, 405]).toContain(
          await raw("PUT", `/api/v1/caches/main/${path}`, "x"),
        );
      }
    }
  });
});
