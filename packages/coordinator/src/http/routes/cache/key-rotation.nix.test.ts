import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { sweepKeys } from "../../../caches/sweep-keys.ts";
import { ManualClock } from "../../../manual-clock.test-support.ts";
import { TestNixStore } from "../../../nix-store.test-support.ts";
import { changesOf } from "../../../queue/change.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

// Nix waits for its own retries, and the machine may have more to do.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

let clock: ManualClock;
let server: TestServer;
let alice: string;
let store: TestNixStore;
let top: string;

const EXPRESSION = `
let leaf = builtins.toFile "leaf.txt" "no references";
in builtins.derivation {
  name = "top"; system = builtins.currentSystem; builder = "builtin:buildenv";
  derivations = []; manifest = leaf;
}`;

beforeAll(async () => {
  clock = new ManualClock();
  server = await openTestServer({ clock });
  alice = await server.user("alice");
  await server.put("caches", alice, { name: "main", display_name: "Main", public: true });
  store = await TestNixStore.open();
  top = await store.run("nix-build", "--no-out-link", "-E", EXPRESSION);
  const url = new URL(`${server.url}/cache/main`);
  url.username = "x";
  url.password = alice;
  await store.run("nix", "copy", "--to", url.href, top);
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

interface Key {
  id: string;
  public_key: string;
}

/** As the farm does behind requests; narinfos in memory are looked at again afterwards. */
async function sweep(): Promise<void> {
  const { database, signer } = server.services;
  const settle = () => Promise.resolve();
  const changes = changesOf({ database, clock, settle, tell: () => undefined }).relaxed;
  while (await sweepKeys({ signer, changes }));
  await clock.advance(2001);
}

/** Whether a store that trusts nothing but the key takes the path from the cache. */
async function isTakenWith({ public_key: publicKey }: Key): Promise<boolean> {
  await using other = await TestNixStore.open([
    `substituters = ${server.url}/cache/main`,
    `trusted-public-keys = ${publicKey}`,
  ]);
  return (await other.try("nix-store", "--realise", top)).code === 0;
}

test("who trusts only the new key takes old paths after the sweep; who trusts only the old one does until it is deleted", async () => {
  const [first] = (await server.get("caches/main/keys", alice)).message as [Key];
  const second: Key = (await server.post("caches/main/keys", alice, {})).message;
  expect(await isTakenWith(first)).toBe(true);
  expect(await isTakenWith(second)).toBe(false);
  await sweep();
  expect(await isTakenWith(second)).toBe(true);
  expect(await isTakenWith(first)).toBe(true);
  expect((await server.post(`caches/main/keys/${first.id}/retire`, alice)).status).toBe(200);
  await sweep();
  expect(await isTakenWith(first)).toBe(true);
  expect((await server.delete(`caches/main/keys/${first.id}`, alice)).status).toBe(200);
  await sweep();
  expect(await isTakenWith(first)).toBe(false);
  expect(await isTakenWith(second)).toBe(true);
});

test("a key that Nix has made signs for a cache, and Nix believes it", async () => {
  const secretFile = `${store.directory}/secret`;
  const publicFile = `${store.directory}/public`;
  await store.run("nix-store", "--generate-binary-cache-key", "nix-made-1", secretFile, publicFile);
  const body = { secret_key: await readFile(secretFile, "utf8") };
  const key: Key = (await server.post("caches/main/keys/import", alice, body)).message;
  expect(key.public_key).toBe((await readFile(publicFile, "utf8")).trim());
  await sweep();
  expect(await isTakenWith(key)).toBe(true);
});
