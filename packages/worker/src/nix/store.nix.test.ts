import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type PathFacts, dumpPath } from "@gradient/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NixStore } from "../ports.ts";
import { DaemonConnection } from "./daemon/connection.ts";
import { NixError } from "./nix-error.ts";
import { openNixStore } from "./store.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

let from: NixFixture;
let to: NixFixture;
let source: NixStore;
let store: NixStore;
/** Built in `from`: `upper` refers to `lower` and to itself. */
let upper: PathFacts;
let lower: PathFacts;

const LOWER = `mk "lower" "echo lower > $out" { }`;
const UPPER = `mk "upper" "mkdir $out; echo ${"$lower"} $out > $out/refs" { lower = ${LOWER}; }`;

beforeAll(async () => {
  from = await NixFixture.make(process.env);
  source = open(from);
  const drvPath = await from.instantiate(UPPER);
  const [built = ""] = (await from.run("nix-store", ["--realise", drvPath])).trim().split("\n");
  upper = await factsOf(built);
  const reference = upper.references.find((each) => each.endsWith("-lower"));
  lower = await factsOf(reference ?? "");
});

afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await from[Symbol.asyncDispose]();
});

beforeEach(async () => {
  to = await NixFixture.make(process.env);
  store = open(to);
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await to[Symbol.asyncDispose]();
});

function open(fixture: NixFixture): NixStore {
  const stateDirectory = path.join(fixture.directory, "state");
  return openNixStore({ nix: fixture.nix, rootsName: "gradient-worker-test", stateDirectory });
}

async function factsOf(storePath: string): Promise<PathFacts> {
  const facts = await source.pathFacts(storePath);
  if (facts === null) throw new Error(`${storePath} is not valid`);
  return facts;
}

async function copy(facts: PathFacts): Promise<void> {
  await store.addPath(facts, dumpPath(source.physicalPath(facts.path)));
}

async function* bytes(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

test("tells what Nix knows of a path", async () => {
  expect(upper.references).toEqual([lower.path, upper.path].toSorted());
  expect(upper.deriver).toMatch(/-upper\.drv$/);
  expect(upper.signatures).toEqual([]);
  const hash = (await from.run("nix-store", ["-q", "--hash", upper.path])).trim();
  const size = (await from.run("nix-store", ["-q", "--size", upper.path])).trim();
  expect(upper.narHash).toBe(hash);
  expect(upper.narSize).toBe(Number(size));
});

test("tells valid paths from others", async () => {
  const unknown = "/nix/store/00000000000000000000000000000000-unknown";
  expect(await source.validPaths([upper.path, unknown, lower.path])).toEqual(
    new Set([upper.path, lower.path]),
  );
  expect(await source.validPaths([])).toEqual(new Set());
  expect(await source.pathFacts(unknown)).toBeNull();
});

describe("importing", () => {
  test("a closure arrives as it was", async () => {
    await copy(lower);
    await copy(upper);
    expect(await store.pathFacts(upper.path)).toEqual(upper);
    const text = await readFile(path.join(store.physicalPath(upper.path), "refs"), "utf8");
    expect(text).toBe(`${lower.path} ${upper.path}\n`);
    await to.run("nix-store", ["--verify", "--check-contents"]);
  });

  test("a path that is there already is no error", async () => {
    await copy(lower);
    await copy(lower);
    expect((await store.validPaths([lower.path])).size).toBe(1);
  });

  test("what was imported is seen, though it was asked for in vain before", async () => {
    expect(await store.pathFacts(lower.path)).toBeNull();
    expect((await store.validPaths([lower.path])).size).toBe(0);
    await copy(lower);
    expect((await store.validPaths([lower.path])).size).toBe(1);
    expect(await store.pathFacts(lower.path)).toEqual(lower);
  });

  test("a signature that another process adds is seen", async () => {
    await copy(lower);
    expect((await store.pathFacts(lower.path))?.signatures).toEqual([]);
    const keyFile = path.join(to.directory, "key");
    const publicFile = path.join(to.directory, "key.pub");
    await to.run("nix-store", ["--generate-binary-cache-key", "test-1", keyFile, publicFile]);
    await to.run("nix", ["store", "sign", "--key-file", keyFile, lower.path]);
    expect((await store.pathFacts(lower.path))?.signatures).toHaveLength(1);
  });

  test("another content than was announced is refused, and the connection goes on", async () => {
    const wrong = { ...lower, narHash: upper.narHash };
    await expect(copy(wrong)).rejects.toThrow(NixError);
    expect((await store.validPaths([lower.path])).size).toBe(0);
    await copy(lower);
  });

  test("bytes that are no archive are refused", async () => {
    await expect(store.addPath(lower, bytes("this is", " no archive"))).rejects.toThrow(NixError);
    await copy(lower);
  });

  test("a path whose references are missing is refused", async () => {
    await expect(copy(upper)).rejects.toThrow(NixError);
  });

  test("a source that breaks in the middle leaves nothing, and the next import works", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* bytes("\r\0\0\0\0\0\0\0nix-archive-1\0\0\0");
      throw new Error("connection reset");
    }
    await expect(store.addPath(lower, broken())).rejects.toThrow("connection reset");
    expect((await store.validPaths([lower.path])).size).toBe(0);
    await copy(lower);
  });

  test("many at once are all done", async () => {
    await copy(lower);
    const names = Array.from({ length: 10 }, (_, index) => `tree-${index}`);
    for (const name of names) {
      await mkdir(path.join(to.directory, name));
      await writeFile(path.join(to.directory, name, "file"), name);
    }
    const paths = await Promise.all(
      names.map((name) => store.addTree(path.join(to.directory, name), name)),
    );
    expect((await store.validPaths(paths)).size).toBe(names.length);
  });
});

test("a child that is killed costs the import that it works on, and nothing else", async () => {
  await store.pathFacts(lower.path);
  for (const pid of await childrenOf(to)) process.kill(pid, "SIGKILL");
  expect(await store.pathFacts(lower.path)).toBeNull();
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield* bytes("\r\0\0\0\0\0\0\0nix-archive-1\0\0\0");
    for (const pid of await childrenOf(to)) process.kill(pid, "SIGKILL");
    for (;;) yield Buffer.alloc(65536);
  }
  await expect(store.addPath(lower, endless())).rejects.toThrow(/nix-daemon ended with signal/);
  await copy(lower);
});

/** Children of this process that serve the fixture's store: other tests may have theirs at the same time. */
async function childrenOf(fixture: NixFixture): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    const command = await readFile(`/proc/${pid}/comm`, "latin1").catch(() => "");
    if (environment.includes(fixture.directory) && command.startsWith("nix-daemon")) {
      found.push(Number(pid));
    }
  }
  return found;
}

describe("adding a tree", () => {
  test("has the path that Nix gives it", async () => {
    const directory = path.join(to.directory, "tree");
    const added = await store.addTree(directory, "source");
    const expected = await to.run("nix-instantiate", [
      "--eval",
      "--expr",
      `"\${builtins.path { name = "source"; path = ${directory}; }}"`,
    ]);
    expect(JSON.parse(expected)).toBe(added);
    expect((await store.pathFacts(added))?.ca).toMatch(/^fixed:r:sha256:/);
    expect(await readdir(store.physicalPath(added))).toEqual(["seed"]);
  });

  test("a tree that is not there is an error", async () => {
    await expect(store.addTree(path.join(to.directory, "nowhere"), "x")).rejects.toThrow(/ENOENT/);
  });
});

describe("roots", () => {
  test("keep paths from being collected until they are removed", async () => {
    await copy(lower);
    await store.addRoots("assignment-1", [lower.path]);
    await store.addRoots("assignment-1", [lower.path]);
    await store[Symbol.asyncDispose]();
    await to.run("nix-store", ["--gc"]);
    store = open(to);
    expect((await store.validPaths([lower.path])).size).toBe(1);
    expect(await store.rootOwners()).toEqual(["assignment-1"]);

    await store.removeRoots("assignment-1");
    await store.removeRoots("assignment-1");
    await store[Symbol.asyncDispose]();
    await to.run("nix-store", ["--gc"]);
    store = open(to);
    expect((await store.validPaths([lower.path])).size).toBe(0);
    expect(await store.rootOwners()).toEqual([]);
  });

  test("an owner that is a path is refused", async () => {
    await expect(store.addRoots("../escape", [lower.path])).rejects.toThrow(/owner|own roots/);
  });
});

test("processes that open a new store at the same moment do not get in each other's way", async () => {
  for (let round = 0; round < 5; round += 1) {
    await using fresh = await NixFixture.make(process.env);
    // This feature's tables are made without a look at whether somebody has made them meanwhile.
    const config = ["extra-experimental-features = ca-derivations"];
    const opening = Array.from({ length: 4 }, () => DaemonConnection.open(fresh.nix, { config }));
    const opened = await Promise.allSettled(opening);
    for (const each of opened) {
      if (each.status === "fulfilled") await each.value[Symbol.asyncDispose]();
    }
    expect(opened.map(({ status }) => status)).toEqual(Array(4).fill("fulfilled"));
  }
});
