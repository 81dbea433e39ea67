import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Clock } from "../../../clock.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { KnownCaches } from "./known-caches.ts";
import { KnownVersion } from "./known-version.ts";
import { NarinfoLane } from "./narinfo-lane.ts";

let server: TestServer;

const LETTERS = ["1", "2", "3"] as const;
const hashOf = (letter: string) => letter.repeat(32);
const urlOf = (letter: string) => `/cache/open/${hashOf(letter)}.narinfo`;

/** Three paths, of which the first refers to itself and the second, and that to the third. */
beforeAll(async () => {
  server = await openTestServer();
  const alice = await server.user("alice");
  await server.put("caches", alice, { name: "open", display_name: "open", public: true });
  const db = server.services.database.kysely;
  const narHash = `0${"2".repeat(51)}`;
  const sizes = { nar_size: 1, file_hash: `0${"3".repeat(51)}`, file_size: 1 };
  await db
    .insertInto("nar_objects")
    .values({ nar_hash: narHash, ...sizes, compression: "zstd", created_at: 1 })
    .execute();
  for (const [n, letter] of LETTERS.entries()) {
    const next = LETTERS[n + 1];
    const references = [letter, ...(next === undefined ? [] : [next])];
    await db
      .insertInto("cache_paths")
      .values({
        cache_id: server.services.surface.findCache("open")?.id ?? "",
        hash_part: hashOf(letter),
        path: `${hashOf(letter)}-it`,
        nar_hash: narHash,
        references_json: JSON.stringify(references.map((each) => `${hashOf(each)}-it`)),
        signatures_json: "[]",
        created_at: 1,
        fetch_count: 0,
      })
      .execute();
  }
});
afterAll(() => server[Symbol.asyncDispose]());

/** A lane, and which paths it has looked up; time goes on as `clock` says. */
function lane(clock: Pick<Clock, "now"> = server.services.clock): {
  asked: string[];
  get: (letter: string) => void;
} {
  const asked: string[] = [];
  const { surface } = server.services;
  const findPath = (cacheId: string, hashPart: string) => {
    asked.push(hashPart.slice(0, 1));
    return surface.findPath(cacheId, hashPart);
  };
  const caches = new KnownCaches(surface, clock);
  const version = new KnownVersion(surface, clock);
  const made = new NarinfoLane({
    ...server.services,
    clock,
    caches,
    version,
    surface: { findPath },
  });
  const get = (letter: string): void => {
    const request = { method: "GET", url: urlOf(letter), headers: {}, socket: new Socket() };
    const answer = made.answer(request);
    expect(answer?.status).toBe(200);
    answer?.after();
  };
  return { asked, get };
}

test("what a lone client will ask for next is looked up before it asks", async () => {
  const { asked, get } = lane();
  get("1");
  await nextTurn();
  expect(asked).toEqual(["1", "2"]);
  get("2");
  await nextTurn();
  expect(asked).toEqual(["1", "2", "3"]);
  get("3");
  expect(asked).toEqual(["1", "2", "3"]);
});

test("where many ask at the same time nothing is looked up that nobody asked for", async () => {
  const { asked, get } = lane();
  get("1");
  get("3");
  await nextTurn();
  expect(asked).toEqual(["1", "3"]);
});

test("what is asked for a second time is remembered", () => {
  const { asked, get } = lane();
  for (const letter of "3333") get(letter);
  expect(asked).toEqual(["3", "3"]);
});

test("what is remembered is not looked up again while nothing is written", async () => {
  let now = 1_000_000;
  const { asked, get } = lane({ now: () => now });
  const later = () => {
    now += 60_000;
    get("3");
  };
  get("3");
  later();
  later();
  expect(asked).toEqual(["3", "3"]);
  await server.services.database.kysely
    .updateTable("cache_paths")
    .set({ fetch_count: 1 })
    .where("hash_part", "=", hashOf("3"))
    .execute();
  later();
  expect(asked).toEqual(["3", "3", "3"]);
});

test("a clock that is set back makes nothing be believed for longer", async () => {
  let now = 10_000_000;
  const { asked, get } = lane({ now: () => now });
  get("3");
  get("3");
  now -= 3_600_000;
  await server.services.database.kysely
    .updateTable("cache_paths")
    .set({ fetch_count: 2 })
    .where("hash_part", "=", hashOf("3"))
    .execute();
  get("3");
  expect(asked).toEqual(["3", "3", "3"]);
});
