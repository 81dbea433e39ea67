import { mkdtemp, mkdir, rm, symlink, writeFile, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  dumpPath,
  hashBytes,
  makeStorePath,
  storePathHash,
  type StorePath,
} from "@gradient/protocol";
import { extract } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decompress } from "zstd-napi";
import { claimOfFields } from "../../../caches/path-claim.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

let server: TestServer;
let alice: string;
let nar: Buffer;
const path = makeStorePath("output:out", hashBytes("sha256", Buffer.from("tree")), "tree");
const hash = storePathHash(path);

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  for (const name of ["open", "closed", "empty"]) {
    await server.put("caches", alice, { name, display_name: name, public: name !== "closed" });
  }
  nar = await narOfTree();
  await add("open", path, nar);
  await add("closed", path, nar);
});
afterAll(() => server[Symbol.asyncDispose]());

async function narOfTree(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "inspection-"));
  try {
    await mkdir(join(directory, "share", "doc"), { recursive: true });
    await writeFile(join(directory, "run"), "#!/bin/sh\n");
    await chmod(join(directory, "run"), 0o755);
    await writeFile(join(directory, "share", "doc", "page.html"), "<script>alert(1)</script>");
    await writeFile(join(directory, "share", "doc", "with space"), "x".repeat(300_000));
    await symlink("page.html", join(directory, "share", "doc", "index.html"));
    const pieces: Buffer[] = [];
    for await (const piece of dumpPath(directory)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function add(cacheName: string, storePath: StorePath, bytes: Buffer): Promise<void> {
  const cache = await server.services.database.kysely
    .selectFrom("caches")
    .select(["id", "name"])
    .where("name", "=", cacheName)
    .executeTakeFirstOrThrow();
  const digest = `sha256:${Buffer.from(hashBytes("sha256", bytes).digest).toString("hex")}`;
  const claim = claimOfFields({
    store_path: storePath,
    nar_hash: digest,
    nar_size: bytes.length,
    file_hash: digest,
    file_size: bytes.length,
    references: [],
  });
  await server.services.content.upload(cache, { claim, by: null }, Readable.from([bytes]));
}

const basic = (password: string) => ({
  headers: { authorization: `Basic ${Buffer.from(`any:${password}`).toString("base64")}` },
});

async function bytesOf(url: string): Promise<Buffer> {
  const answer = await fetch(server.url + url);
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

describe("the listing of a NAR", () => {
  test("says where each file begins, so that a range of the NAR is the file", async () => {
    const answer = await server.get(`/cache/open/ls/${hash}`);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([
      200,
      "application/json; charset=utf-8",
    ]);
    const { version, root } = JSON.parse(answer.text);
    expect(version).toBe(1);
    expect(root.entries.run).toEqual({
      type: "regular",
      size: 10,
      executable: true,
      narOffset: nar.indexOf("#!/bin/sh"),
    });
    expect(root.entries.share.entries.doc.entries["index.html"]).toEqual({
      type: "symlink",
      target: "page.html",
    });
  });

  test("is had by the file's hash, too, and not sent to those who have it", async () => {
    const { FileHash: fileHash } = (await server.get(`/cache/open/${hash}.narinfo?json`)).json as {
      FileHash: string;
    };
    const byFile = await server.get(`/cache/open/ls/${fileHash.slice(7)}`);
    expect(byFile.status).toBe(200);
    const etag = byFile.headers.get("etag") ?? "";
    const again = await server.call("GET", `/cache/open/ls/${hash}`, {
      headers: { "if-none-match": etag },
    });
    expect([again.status, again.text]).toEqual([304, ""]);
    expect((await server.call("HEAD", `/cache/open/ls/${hash}`)).status).toBe(200);
  });

  test("is nobody's who may not read the cache, and only of what the cache has", async () => {
    expect((await server.get(`/cache/closed/ls/${hash}`)).status).toBe(401);
    expect((await server.call("GET", `/cache/closed/ls/${hash}`, basic(alice))).status).toBe(200);
    expect((await server.get(`/cache/empty/ls/${hash}`)).status).toBe(404);
    expect((await server.get("/cache/open/ls/nonsense")).status).toBe(400);
  });
});

describe("a file out of a NAR", () => {
  test("comes as it is, with its type, and harmless in a browser", async () => {
    const url = `/cache/open/serve/${hash}/share/doc/page.html`;
    const answer = await server.get(url);
    expect([answer.status, answer.text]).toEqual([200, "<script>alert(1)</script>"]);
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("content-length")).toBe("25");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("content-security-policy")).toContain("sandbox");
    const head = await server.call("HEAD", url);
    expect([head.status, head.headers.get("content-length"), head.text]).toEqual([200, "25", ""]);
    const etag = answer.headers.get("etag") ?? "";
    const again = await server.call("GET", url, { headers: { "if-none-match": `"x", ${etag}` } });
    expect([again.status, again.text]).toEqual([304, ""]);
  });

  test("may be large and have an odd name", async () => {
    const bytes = await bytesOf(`/cache/open/serve/${hash}/share/doc/with%20space`);
    expect(bytes.toString()).toBe("x".repeat(300_000));
  });

  test("that is a directory comes as the same archive each time", async () => {
    const url = `/cache/open/serve/${hash}/share`;
    const first = await bytesOf(url);
    expect(await bytesOf(url)).toEqual(first);
    const names: string[] = [];
    const archive = extract();
    archive.end(decompress(first));
    for await (const entry of archive) {
      names.push(`${entry.header.name} ${entry.header.mode?.toString(8)}`);
      entry.resume();
    }
    expect(names).toEqual([
      "share/ 755",
      "share/doc/ 755",
      "share/doc/index.html 777",
      "share/doc/page.html 644",
      "share/doc/with space 644",
    ]);
    const head = await server.call("HEAD", url);
    expect(head.headers.get("content-type")).toBe("application/zstd");
    expect(head.headers.get("content-disposition")).toContain('filename="share.tar.zst"');
  });

  test("is 404 when it is a link, is not there, or is no path", async () => {
    for (const name of [
      "share/doc/index.html",
      "nothing",
      "run/x",
      "share//doc",
      "share/",
      "..%2f..%2fetc%2fpasswd",
      "%00",
      "",
    ]) {
      const answer = await server.get(`/cache/open/serve/${hash}/${name}`);
      expect([name, answer.status, answer.json?.error]).toEqual([name, 404, true]);
    }
    expect((await server.get(`/cache/open/serve/${"0".repeat(32)}/run`)).status).toBe(404);
    expect((await server.get("/cache/open/serve/nonsense/run")).status).toBe(400);
    expect((await server.get(`/cache/empty/serve/${hash}/run`)).status).toBe(404);
  });

  test("of a private cache needs readStore", async () => {
    const url = `/cache/closed/serve/${hash}/run`;
    const refused = await server.get(url);
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([
      401,
      'Basic realm="gradient"',
    ]);
    expect((await server.call("GET", url, basic(alice))).status).toBe(200);
    const blind = await server.key(alice, { cache: "closed", permissions: ["viewCache"] });
    expect((await server.call("GET", url, basic(blind))).status).toBe(401);
    const reading = await server.key(alice, {
      cache: "closed",
      permissions: ["viewCache", "readStore"],
    });
    expect((await server.call("GET", url, basic(reading))).status).toBe(200);
  });
});

describe("what a client has already", () => {
  test("is not sent again: narinfos from the router and from memory, and NARs", async () => {
    for (const [cache, headers] of [
      ["open", {}],
      ["closed", basic(alice).headers],
    ] as const) {
      const url = `/cache/${cache}/${hash}.narinfo`;
      for (const _ of ["first", "second"]) {
        const answer = await server.call("GET", url, { headers });
        const etag = answer.headers.get("etag") ?? "";
        expect(etag).toMatch(/^"[\w-]{22}"$/);
        const again = await server.call("GET", url, {
          headers: { ...headers, "if-none-match": etag },
        });
        expect([again.status, again.text]).toEqual([304, ""]);
        const other = await server.call("GET", url, {
          headers: { ...headers, "if-none-match": '"other"' },
        });
        expect(other.text).toBe(answer.text);
      }
    }
    const { URL: url } = (await server.get(`/cache/open/${hash}.narinfo?json`)).json as {
      URL: string;
    };
    const file = await server.call("HEAD", `/cache/open/${url}`);
    expect(file.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const again = await server.call("GET", `/cache/open/${url}`, {
      headers: { "if-none-match": file.headers.get("etag") ?? "" },
    });
    expect([again.status, again.text]).toEqual([304, ""]);
  });
});
