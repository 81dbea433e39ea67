import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimOfFields } from "../../../../caches/path-claim.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";
import { file, nar } from "../../cache/uploads.test-support.ts";

const BASE = `${"0".repeat(32)}-thing`;

let server: TestServer;
let alice: string;
let bob: string;
let key: string;

beforeEach(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("caches", alice, { name: "closed", display_name: "Closed" });
  const [nixos] = (await server.get("caches/closed/upstreams", alice)).message;
  await server.delete(`caches/closed/upstreams/${nixos.id}`, alice);
  await server.post("caches/closed/members", alice, { user: "bob", role: "View" });
  key = await server.key(alice, { cache: "closed", permissions: ["viewCache", "readStore"] });
  const { id } = (await server.get("caches/closed", alice)).message;
  const bytes = nar(file("contents"));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const claim = claimOfFields({
    store_path: BASE,
    nar_hash: digest,
    nar_size: bytes.length,
    file_hash: digest,
    file_size: bytes.length,
    references: [],
  });
  const deposit = { claim, by: null };
  await server.services.content.upload({ id, name: "closed" }, deposit, Readable.from([bytes]));
});
afterEach(() => server[Symbol.asyncDispose]());

const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`x:${password}`).toString("base64")}`,
});

async function take(token: string): Promise<number> {
  const root = `${server.url}/cache/closed`;
  const headers = basic(token);
  const text = await (await fetch(`${root}/${BASE.slice(0, 32)}.narinfo`, { headers })).text();
  await fetch(`${root}/${"1".repeat(32)}.narinfo`, { headers });
  const url = /^URL: (?<url>.*)$/m.exec(text)?.groups?.["url"] ?? "";
  const nar = await fetch(`${root}/${url}`, { headers });
  expect(nar.status).toBe(200);
  return (await nar.arrayBuffer()).byteLength;
}

test("who reads a private cache is told by user and by key", async () => {
  const bytes = await take(bob);
  await take(key);
  await take(key);
  const { message } = await server.get("caches/closed/stats/readers", alice);
  expect(message).toEqual([
    expect.objectContaining({
      username: "alice",
      api_key_id: expect.any(String),
      api_key: expect.any(String),
      hits: 2,
      misses: 2,
      nar_requests: 2,
      nar_bytes_served: 2 * bytes,
    }),
    expect.objectContaining({
      username: "bob",
      api_key_id: null,
      api_key: null,
      hits: 1,
      misses: 1,
      nar_requests: 1,
      nar_bytes_served: bytes,
    }),
  ]);
  const stats = (await server.get("caches/closed/stats", alice)).message;
  expect([stats.hits, stats.misses, stats.nar_requests]).toEqual([3, 3, 3]);
});

test("figures of readers are for those who manage the members, and go with the reader's account", async () => {
  await take(bob);
  expect((await server.get("caches/closed/stats/readers", bob)).status).toBe(403);
  expect((await server.get("caches/closed/stats/readers")).status).toBe(401);
  expect((await server.get("caches/closed/stats/readers", alice)).message).toHaveLength(1);
  const { kysely } = server.services.database;
  await kysely.deleteFrom("users").where("username", "=", "bob").execute();
  expect((await server.get("caches/closed/stats/readers", alice)).message).toEqual([]);
});

test("a read is counted in memory, and written later", async () => {
  const { kysely } = server.services.database;
  const rows = () => kysely.selectFrom("cache_reader_traffic").selectAll().execute();
  await take(bob);
  expect(await rows()).toEqual([]);
  await server.services.lastUse.flush();
  expect(await rows()).toHaveLength(1);
});
