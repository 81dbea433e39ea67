import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { NarError } from "./nar-error.ts";
import { NarReader } from "./reader.ts";
import { encodeTree, type Tree } from "./tree.test-support.ts";
import { dumpPath, dumpPathSync, NAR_CHUNK_BYTES, singleFileNar } from "./writer.ts";

const directory = mkdtempSync(join(tmpdir(), "gradient-nar-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

let made = 0;
function place(): string {
  made += 1;
  return join(directory, `tree-${made}`);
}

/** Open files of this process whose name ends so. */
function openFiles(suffix: string): string[] {
  return readdirSync("/proc/self/fd")
    .map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        return "";
      }
    })
    .filter((target) => target.endsWith(suffix));
}

describe("the NAR writer", () => {
  test("a single file has the same NAR from memory as from disk", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (contents) => {
        const tree: Tree = {
          type: "file",
          contents: Buffer.from(contents).toString("latin1"),
          isExecutable: false,
        };
        expect(singleFileNar(contents).equals(encodeTree(tree))).toBe(true);
      }),
    );
  });

  test("many tiny files and one large file become a few nearly full chunks", () => {
    const path = place();
    mkdirSync(path);
    for (let n = 0; n < 3000; n++) writeFileSync(join(path, `file-${n}`), "tiny");
    writeFileSync(join(path, "large"), Buffer.alloc(1_000_003, "x"));
    const chunks = [...dumpPathSync(path)];
    for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(NAR_CHUNK_BYTES);
    for (const chunk of chunks.slice(0, -1))
      expect(chunk.length).toBeGreaterThan(NAR_CHUNK_BYTES - 8192);
    const reader = new NarReader();
    for (const chunk of chunks) reader.write(chunk);
    reader.end();
  });

  test("a NAR that is expected to be small takes little memory, and a wrong expectation changes nothing", () => {
    const path = place();
    mkdirSync(path);
    for (let n = 0; n < 100; n++) writeFileSync(join(path, `file-${n}`), "some text".repeat(n));
    const nar = Buffer.concat([...dumpPathSync(path)]);
    for (const expected of [0, nar.length, 10 * nar.length]) {
      expect(Buffer.concat([...dumpPathSync(path, expected)]).equals(nar)).toBe(true);
    }
    const [chunk, ...others] = dumpPathSync(path, nar.length);
    expect(others).toHaveLength(0);
    expect(chunk?.buffer.byteLength).toBeLessThan(nar.length + 20_000);
  });

  test("chunks are not touched after they were handed out", () => {
    const path = place();
    writeFileSync(path, Buffer.alloc(3 * NAR_CHUNK_BYTES, "x"));
    const copies: Buffer[] = [];
    const chunks: Buffer[] = [];
    for (const chunk of dumpPathSync(path)) {
      chunks.push(chunk);
      copies.push(Buffer.from(chunk));
    }
    expect(Buffer.concat(chunks).equals(Buffer.concat(copies))).toBe(true);
  });

  test("a tree may be deeper than any reader allows", () => {
    const path = place();
    mkdirSync(join(path, ...Array.from({ length: 900 }, () => "d")), { recursive: true });
    let depth = 0;
    const reader = new NarReader({ directoryStart: () => (depth += 1) }, { maxDepth: 900 });
    for (const chunk of dumpPathSync(path)) reader.write(chunk);
    reader.end();
    expect(depth).toBe(901);
  });

  test("what no NAR can hold is refused by name", () => {
    const fifo = place();
    execFileSync("mkfifo", [fifo]);
    expect(() => [...dumpPathSync(fifo)]).toThrow(NarError);
    expect(() => [...dumpPathSync(fifo)]).toThrow(
      `'${fifo}' is no file, directory or symbolic link`,
    );
    const hacked = place();
    mkdirSync(join(hacked, "a~nix~case~hack~1"), { recursive: true });
    expect(() => [...dumpPathSync(hacked)]).toThrow("case hack");
  });

  test("a missing path is the file system's own error", () => {
    expect(() => [...dumpPathSync(join(directory, "nothing"))]).toThrow("ENOENT");
  });

  test("a file that shrinks while it is read is refused, and closed", () => {
    const path = place();
    writeFileSync(path, Buffer.alloc(2 * NAR_CHUNK_BYTES));
    const chunks = dumpPathSync(path);
    chunks.next();
    truncateSync(path, 10);
    expect(() => [...chunks]).toThrow("became shorter");
    expect(openFiles(path)).toEqual([]);
  });

  test("no file stays open when the consumer stops early", async () => {
    const path = place();
    writeFileSync(path, Buffer.alloc(2 * NAR_CHUNK_BYTES));
    for (const chunk of dumpPathSync(path)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(openFiles(path)).toEqual([]);
    const chunks = dumpPath(path);
    await chunks.next();
    expect(openFiles(path)).toHaveLength(1);
    await chunks.return();
    expect(openFiles(path)).toEqual([]);
  });

  test("an aborted signal stops it with the signal's reason, and no file stays open", async () => {
    const path = place();
    writeFileSync(path, Buffer.alloc(2 * NAR_CHUNK_BYTES));
    const controller = new AbortController();
    const chunks = dumpPath(path, controller.signal);
    await chunks.next();
    controller.abort(new Error("build was cancelled"));
    await expect(chunks.next()).rejects.toThrow("build was cancelled");
    expect(openFiles(path)).toEqual([]);
  });
});
