import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decompress } from "zstd-napi";
import { NarFiles } from "../storage/nar-files.ts";
import { openInside } from "./follow-links.ts";
import { narOfTree, storeNar } from "./nar-tree.test-support.ts";
import { packDirectory } from "./pack-directory.ts";

const BASE = "0a0b0c0d0f0g0h0i0j0k0l0m0n0p0q0r-thing";
const LARGE = "0123456789abcdef".repeat(40_000);

let directory: string;
let nars: NarFiles;
let narHash: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "nar-contents-"));
  nars = await NarFiles.open(directory);
  const tree = {
    "a.txt": "first",
    "bin/run": { run: "#!/bin/sh\n" },
    "dir/empty": "",
    "dir/large": LARGE,
    "dir/up": { link: "../a.txt" },
    "dir-link": { link: "dir" },
    escape: { link: "../other-path/secret" },
    absolute: { link: `/nix/store/${BASE}/bin/run` },
    foreign: { link: "/nix/store/1a0b0c0d0f0g0h0i0j0k0l0m0n0p0q0r-other/file" },
    similar: { link: `/nix/store/${BASE}-other/bin/run` },
    loop: { link: "loop" },
    "z/last": "end",
  };
  narHash = await storeNar(nars, await narOfTree(tree));
});
afterAll(async () => {
  await nars[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const shown = () => ({ path: BASE, narHash });

/** Text of the file there; what else it is, or null. */
async function textAt(path: string): Promise<string | null> {
  await using node = await openInside(nars, shown(), path.split("/"));
  if (node === null) return null;
  if (node.type === "directory") return "a directory";
  const pieces: Buffer[] = [];
  for await (const piece of node.contents) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

test("a file is found wherever it lies, with its contents", async () => {
  expect(await textAt("a.txt")).toBe("first");
  expect(await textAt("bin/run")).toBe("#!/bin/sh\n");
  expect(await textAt("dir/empty")).toBe("");
  expect(await textAt("dir/large")).toBe(LARGE);
  expect(await textAt("z/last")).toBe("end");
  expect(await textAt("dir")).toBe("a directory");
});

test("what is not there is null, also below a file", async () => {
  for (const path of ["b", "dir/none", "dir/zzz", "zz", "a.txt/x", "bin/run/y"]) {
    expect(await textAt(path), path).toBeNull();
  }
});

test("links are followed inside of the store path and never out of it", async () => {
  expect(await textAt("dir/up")).toBe("first");
  expect(await textAt("dir-link/large")).toBe(LARGE);
  expect(await textAt("dir-link/up")).toBe("first");
  expect(await textAt("absolute")).toBe("#!/bin/sh\n");
  for (const path of ["escape", "foreign", "similar", "loop"]) {
    expect(await textAt(path), path).toBeNull();
  }
});

async function pack(path: string[]): Promise<Buffer> {
  await using node = await openInside(nars, shown(), path);
  if (node?.type !== "directory") throw new Error("no directory");
  const pieces: Buffer[] = [];
  for await (const piece of packDirectory("top", node.parts)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

test("a directory becomes the same tar archive every time", async () => {
  const archive = await pack(["dir"]);
  expect(await pack(["dir"])).toEqual(archive);
  const entries: [Header, string][] = [];
  for await (const entry of Readable.from([decompress(archive)]).pipe(extract())) {
    const pieces: Uint8Array[] = [];
    for await (const piece of entry) pieces.push(piece as Uint8Array);
    entries.push([entry.header, Buffer.concat(pieces).toString()]);
  }
  expect(entries.map(([{ name }]) => name)).toEqual(["top/", "top/empty", "top/large", "top/up"]);
  expect(entries[2]?.[1]).toBe(LARGE);
  expect(entries[2]?.[0]).toMatchObject({ mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) });
  expect(entries[3]?.[0]).toMatchObject({ type: "symlink", linkname: "../a.txt" });
});

test("the root itself can be packed, with executables", async () => {
  const archive = decompress(await pack([])).toString("latin1");
  expect(archive).toContain("top/bin/run");
  expect(archive).toContain("#!/bin/sh");
});

test("a directory of very many links is packed as it is read", async () => {
  const links = Object.fromEntries(
    Array.from({ length: 1200 }, (_, n) => [`l${String(n).padStart(5, "0")}`, { link: "x" }]),
  );
  const many = await storeNar(nars, await narOfTree(links));
  await using node = await openInside(nars, { path: BASE, narHash: many }, []);
  if (node?.type !== "directory") throw new Error("no directory");
  let bytes = 0;
  for await (const piece of packDirectory("top", node.parts)) bytes += (piece as Buffer).length;
  expect(bytes).toBeGreaterThan(1200);
});

/** Descriptors of this process that are open on NARs of this test. */
async function openFiles(): Promise<number> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.filter((target) => target.endsWith(".nar.zst")).length;
}

test("nothing stays open when nobody reads on", async () => {
  const file = await openInside(nars, shown(), ["dir", "large"]);
  if (file?.type !== "regular") throw new Error("no file");
  for await (const piece of file.contents) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  await file[Symbol.asyncDispose]();
  const unread = await openInside(nars, shown(), ["dir", "large"]);
  await unread?.[Symbol.asyncDispose]();
  const folder = await openInside(nars, shown(), ["dir"]);
  if (folder?.type !== "directory") throw new Error("no directory");
  const packed = packDirectory("top", folder.parts);
  for await (const piece of packed) {
    expect(piece).toBeDefined();
    break;
  }
  await folder[Symbol.asyncDispose]();
  await expect.poll(openFiles).toBe(0);
});
