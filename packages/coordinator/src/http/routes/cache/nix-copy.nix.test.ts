import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { storePathHash, parseStorePath } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { TestNixStore } from "../../../nix-store.test-support.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

// Nix waits for its own retries, and the machine may have more to do.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let server: TestServer;
let alice: string;
let store: TestNixStore;
let leaf: string;
let top: string;
let publicKey: string;

const EXPRESSION = `
let leaf = builtins.toFile "leaf.txt" "no references";
    middle = builtins.toFile "middle.txt" "refers to \${leaf}";
in builtins.toFile "top.txt" "\${leaf} \${middle}"
`;

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8" } });
  alice = await server.user("alice");
  for (const name of [
    "copied",
    "xz",
    "zstd",
    "bzip2",
    "gzip",
    "br",
    "none",
    "packed",
    "through",
    "traced",
  ]) {
    await server.put("caches", alice, { name, display_name: name, public: true });
  }
  await server.put("caches", alice, { name: "closed", display_name: "closed" });
  publicKey = (await server.get("caches/copied/public-key", alice)).message;
  store = await TestNixStore.open();
  top = await store
    .run("nix-instantiate", "--eval", "--read-write-mode", "--raw", "-E", EXPRESSION)
    .catch(async () =>
      JSON.parse(
        await store.run("nix-instantiate", "--eval", "--read-write-mode", "-E", EXPRESSION),
      ),
    );
  const closure = (await store.run("nix-store", "--query", "--requisites", top)).split("\n");
  leaf = closure.find((path) => path.endsWith("-leaf.txt")) ?? "";
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** As a user writes it: the token as the password of nobody in particular. */
function urlOf(cache: string, query = "", token = alice): string {
  const url = new URL(`${server.url}/cache/${cache}${query}`);
  url.username = "x";
  url.password = token;
  return url.href;
}

const copyTo = (url: string, ...paths: string[]) => store.try("nix", "copy", "--to", url, ...paths);
const hashOf = (path: string) => storePathHash(parseStorePath(path));

async function shownPaths(cache: string): Promise<string[]> {
  const { items } = (await server.get(`caches/${cache}/nars?per_page=200`)).message;
  return items.map((item: { store_path: string }) => item.store_path).toSorted();
}

describe("nix copy", () => {
  test("fills a cache with a closure, and another store takes it from there with signatures required", async () => {
    const { code, stderr } = await copyTo(urlOf("copied"), top);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(await shownPaths("copied")).toHaveLength(3);
    await using other = await TestNixStore.open([
      `substituters = ${server.url}/cache/copied`,
      `trusted-public-keys = ${publicKey}`,
    ]);
    await other.run("nix-store", "--realise", top);
    expect(await other.run("nix-store", "--query", "--requisites", top)).toBe(
      await store.run("nix-store", "--query", "--requisites", top),
    );
    await using third = await TestNixStore.open([`trusted-public-keys = ${publicKey}`]);
    await third.run("nix", "copy", "--from", `${server.url}/cache/copied`, top);
    await third.run("nix-store", "--verify-path", top, leaf);
  });

  test("can be done again, also by one who has forgotten what is there", async () => {
    expect((await copyTo(urlOf("copied"), top)).code).toBe(0);
    await store.forget();
    expect((await copyTo(urlOf("copied"), top)).code).toBe(0);
    expect(await shownPaths("copied")).toHaveLength(3);
  });

  test("is refused without writeStore, with a text that says so", async () => {
    const bob = await server.user("bob");
    const reading = await server.key(alice, {
      cache: "closed",
      permissions: ["viewCache", "readStore"],
    });
    for (const [cache, token] of [
      ["none", bob],
      ["closed", bob],
      ["closed", reading],
    ] as const) {
      const { code, stderr } = await copyTo(urlOf(cache, "", token), leaf);
      expect([cache, code]).toEqual([cache, 1]);
      expect(stderr).toMatch(/writeStore|HTTP error 401|does not appear to be a binary cache/);
    }
    expect((await copyTo(`${server.url}/cache/none`, leaf)).code).toBe(1);
    expect(await shownPaths("none")).toEqual([]);
  });

  test("fills a private cache, and takes from it, with a key that is pinned to it", async () => {
    const key = await server.key(alice, {
      cache: "closed",
      permissions: ["viewCache", "readStore", "writeStore"],
    });
    expect((await copyTo(urlOf("closed", "", key), top)).code).toBe(0);
    const closedKey = (await server.get("caches/closed/public-key", alice)).message;
    await using other = await TestNixStore.open([`trusted-public-keys = ${closedKey}`]);
    await other.run("nix", "copy", "--from", urlOf("closed", "", key), top);
    expect((await other.try("nix", "copy", "--from", `${server.url}/cache/closed`, top)).code).toBe(
      1,
    );
  });

  test.each(["xz", "zstd", "bzip2", "gzip", "br", "none"])(
    "with %s is stored once, and what the uploader remembers stays true",
    async (compression) => {
      const tree = join(store.directory, `tree-${compression}`);
      await mkdir(join(tree, "bin"), { recursive: true });
      await writeFile(join(tree, "bin", "run"), `#!/bin/sh\necho ${compression}\n`.repeat(20_000));
      const path = await store.run("nix-store", "--add", tree);
      const url = urlOf(compression, `?compression=${compression}&write-nar-listing=1`);
      const { code, stderr } = await copyTo(url, path);
      expect([code, stderr]).toEqual([0, expect.any(String)]);
      const info = (await server.get(`/cache/${compression}/${hashOf(path)}.narinfo?json`)).json;
      expect(info).toMatchObject({ Compression: "zstd", StorePath: path });
      const key = (await server.get(`caches/${compression}/public-key`, alice)).message;
      await using other = await TestNixStore.open([`trusted-public-keys = ${key}`]);
      await other.run("nix", "copy", "--from", `${server.url}/cache/${compression}`, path);
      await other.run("nix-store", "--verify-path", path);
      // The uploader has its own narinfo in its disk cache, with the name of the file that it sent.
      await store.run("nix-store", "--delete", path);
      await store.run("nix", "copy", "--no-check-sigs", "--from", url, path);
      await store.run("nix-store", "--verify-path", path);
    },
  );

  test("keeps every NAR once on disk", async () => {
    const files = await readdir(join(server.dataDir, "nar"), { recursive: true });
    const nars = files.filter((name) => name.includes(".nar"));
    expect(nars.every((name) => name.endsWith(".nar.zst"))).toBe(true);
    expect(await readdir(join(server.dataDir, "nar", "drafts"))).toEqual([]);
  });
});

test("what only an upstream has is substituted through the cache, which has it from then on", async () => {
  await server.services.database.kysely
    .updateTable("cache_upstreams")
    .set({ url: `${server.url}/cache/copied`, public_key: publicKey })
    .where("cache_id", "=", (await server.get("caches/through", alice)).message.id)
    .execute();
  const key = (await server.get("caches/through/public-key", alice)).message;
  await using other = await TestNixStore.open([
    `substituters = ${server.url}/cache/through`,
    `trusted-public-keys = ${key}`,
  ]);
  await other.run("nix-store", "--realise", top);
  await other.run("nix-store", "--verify-path", top, leaf);
  expect(await shownPaths("through")).toHaveLength(3);
});

/** An expression of a derivation that busybox builds. */
async function expressionOf(name: string, script: string, attributes = ""): Promise<string> {
  const seed = join(store.directory, "seed");
  await mkdir(seed, { recursive: true });
  const busybox = ["/usr/bin/busybox", "/bin/busybox"].find((path) => existsSync(path));
  await copyFile(busybox ?? "", join(seed, "busybox"));
  return `derivation {
    name = "${name}"; system = builtins.currentSystem;
    builder = "\${${seed}}/busybox"; args = [ "sh" "-c" "${script}" ]; ${attributes} }`;
}

test("a log that is copied to a cache is read from there", async () => {
  const expression = await expressionOf("logged", "echo built with words; echo x > $out");
  const drv = await store.run("nix-instantiate", "-E", expression);
  const out = await store.run("nix-store", "--realise", drv);
  expect((await copyTo(urlOf("packed"), drv, out)).code).toBe(0);
  await store.run("nix", "store", "copy-log", "--to", urlOf("packed"), drv);
  const answer = await server.get(`/cache/packed/log/${drv.slice("/nix/store/".length)}`);
  expect([answer.status, answer.text]).toEqual([200, "built with words\n"]);
  // Its builder has lost it.
  await rm(join(store.directory, "nix/var/log"), { recursive: true });
  const substituter = `${server.url}/cache/packed`;
  const log = await store.run("nix", "log", "--option", "substituters", substituter, drv);
  expect(log).toBe("built with words");
});

test("outputs of content-addressed derivations are found by their realisations", async () => {
  const expression = await expressionOf(
    "floating",
    "echo floats > $out",
    `__contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";`,
  );
  const file = join(store.directory, "floating.nix");
  await writeFile(file, expression);
  const { code, stderr } = await copyTo(urlOf("packed"), "--file", file);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  const key = (await server.get("caches/packed/public-key", alice)).message;
  await using other = await TestNixStore.open([
    `substituters = ${server.url}/cache/packed`,
    `trusted-public-keys = ${key}`,
    "max-jobs = 0",
  ]);
  const drv = await other.run("nix-instantiate", file);
  const out = await other.run("nix-store", "--realise", drv);
  expect(await readFile(join(other.directory, out), "utf8")).toBe("floats\n");
  // Through a cache that only knows it from its upstream, too.
  await server.services.database.kysely
    .updateTable("cache_upstreams")
    .set({ url: `${server.url}/cache/packed`, public_key: key })
    .where("cache_id", "=", (await server.get("caches/traced", alice)).message.id)
    .execute();
  await using third = await TestNixStore.open([
    `substituters = ${server.url}/cache/traced`,
    `trusted-public-keys = ${(await server.get("caches/traced/public-key", alice)).message}`,
    "max-jobs = 0",
  ]);
  await third.run("nix-instantiate", file);
  expect(await third.run("nix-store", "--realise", drv)).toBe(out);
});
