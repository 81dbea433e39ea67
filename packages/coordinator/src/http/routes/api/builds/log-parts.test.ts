import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const LINES = ["one", "Two error", "three", "four ERROR", "five"];
const LOG = `${LINES.join("\n")}\n`;

/** Logs by attempt. */
const texts = new Map<number, string>();
let server: TestServer;
let alice: string;
let bob: string;
let seed: Seed;
let cacheId: string;

beforeAll(async () => {
  server = await openTestServer({
    logs: {
      text: async function* (attempt) {
        const text = texts.get(attempt) ?? "";
        const size = text.length > 1000 ? 10_007 : 7;
        for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
      },
      size: () => Promise.resolve(0),
      follow: async function* () {},
    },
  });
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  await server.put("projects/acme", alice, project);
  const { id: projectId, organization } = (await server.get("projects/acme/p", alice)).message;
  const cache = { name: "shared", display_name: "Shared", priority: 40, public: true };
  cacheId = String((await server.put("caches", alice, cache)).message);
  await server.post("orgs/acme/subscribe/shared", alice);
  seed = await seedEvaluation(server.services.database.kysely, {
    organizationId: organization,
    projectId,
    userId: null,
  });
  texts.set(seed.base.attempt ?? 0, LOG);
});
afterAll(() => server[Symbol.asyncDispose]());

const of = (path: string, build = seed.base.id, token: string | undefined = alice) =>
  server.get(`builds/${build}/log${path}`, token);

describe("parts of a log", () => {
  test("lines come as plain text, by numbers or as a range", async () => {
    const answer = await of("/lines?start=2&end=3");
    expect([answer.status, answer.text]).toEqual([200, "Two error\nthree\n"]);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect((await of("/lines")).text).toBe(LOG);
    expect((await of("/lines?start=4")).text).toBe("four ERROR\nfive\n");
    expect((await of("/lines?range=L2-L3")).text).toBe("Two error\nthree\n");
    expect((await of("/lines?range=2-3")).text).toBe("Two error\nthree\n");
    expect((await of("/lines?range=L5")).text).toBe("five\n");
    expect((await of("/lines?start=9")).text).toBe("");
  });

  test("what is no range is refused", async () => {
    for (const query of [
      "start=0",
      "start=x",
      "start=3&end=2",
      "range=L",
      "range=3-2",
      "range=a",
    ]) {
      expect((await of(`/lines?${query}`)).status, query).toBe(400);
    }
    expect((await of("/lines?range=L1&start=1")).status).toBe(400);
  });

  test("a search gives its hits line by line, and then their number", async () => {
    const answer = await of("/search?q=error");
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
    const frames = answer.text.trimEnd().split("\n");
    expect(frames.map((frame) => JSON.parse(frame) as unknown)).toEqual([
      { line_number: 2, chunk_index: 0, byte_offset: 4, preview: "Two error" },
      { line_number: 4, chunk_index: 0, byte_offset: 20, preview: "four ERROR" },
      { done: true, total_matches: 2 },
    ]);
    const exact = await of("/search?q=ERROR&case=true");
    expect(exact.text).toContain('"total_matches":1}');
    expect((await of("/search?q=none")).text).toBe('{"done":true,"total_matches":0}\n');
    expect((await of("/search")).status).toBe(400);
    expect((await of("/search?q=")).status).toBe(400);
  });

  test("chunks are listed and read", async () => {
    const long = "0123456789abcde\n".repeat(30_000);
    texts.set(seed.base.attempt ?? 0, long);
    const { message } = await of("/chunks");
    const pieces = [(await of("/chunk/0")).text, (await of("/chunk/1")).text];
    const beyond = await of("/chunk/2");
    texts.set(seed.base.attempt ?? 0, LOG);
    expect(message).toEqual({
      total_chunks: 2,
      total_lines: 30_000,
      total_bytes: 480_000,
      chunks: [
        { index: 0, line_start: 0, line_count: 16_384, byte_start: 0, byte_len: 262_144 },
        {
          index: 1,
          line_start: 16_384,
          line_count: 13_616,
          byte_start: 262_144,
          byte_len: 217_856,
        },
      ],
    });
    expect(pieces.join("")).toBe(long);
    expect([beyond.status, beyond.json?.code]).toEqual([404, "not_found"]);
    expect((await of("/chunk/-1")).status).toBe(400);
  });

  test("of a build without a log are empty", async () => {
    expect((await of("/lines", seed.app.id)).text).toBe("");
    expect((await of("/chunks", seed.app.id)).message).toMatchObject({ total_chunks: 0 });
    expect((await of("/search?q=x", seed.app.id)).text).toBe('{"done":true,"total_matches":0}\n');
    expect((await of("/chunk/0", seed.app.id)).status).toBe(404);
  });

  test("of a private organization do not exist for others", async () => {
    for (const path of ["/lines", "/search?q=x", "/chunks", "/chunk/0"]) {
      expect((await of(path, seed.base.id, bob)).status).toBe(404);
      expect((await server.get(`builds/${seed.base.id}/log${path}`)).status).toBe(404);
    }
  });
});

test("the command line of Gradient gets the whole log as it reads it", async () => {
  const answer = await server.call("GET", `builds/${seed.base.id}/log`, {
    token: alice,
    headers: { "user-agent": "gradient-cli/1.3.0" },
  });
  expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
  const strings = answer.text.trimEnd().split("\n");
  expect(strings.map((line) => JSON.parse(line) as unknown).join("")).toBe(LOG);
  expect((await of("")).message).toBe(LOG);
});

describe("the log of a build that was not built now", () => {
  const db = () => server.services.database.kysely;
  const set = (derivationId: number, state: string) =>
    db().updateTable("builds").set({ state }).where("derivation_id", "=", derivationId).execute();

  const insertAttempt = async (derivationId: number, status: string) => {
    const build = await db()
      .selectFrom("builds")
      .select("id")
      .where("derivation_id", "=", derivationId)
      .executeTakeFirstOrThrow();
    const { number } = await db()
      .insertInto("attempts")
      .values({ build_id: build.id, status, created_at: 1, log_bytes: 0 })
      .returning("number")
      .executeTakeFirstOrThrow();
    return number;
  };

  test("is that of the attempt that made its outputs", async () => {
    const later = await insertAttempt(seed.base.derivationId, "cancelled");
    texts.set(later, "never got far\n");
    await set(seed.base.derivationId, "Substituted");
    expect((await of("")).message).toBe(LOG);
    expect((await of("/lines?start=1&end=1")).text).toBe("one\n");
    await set(seed.base.derivationId, "Aborted");
    expect((await of("")).message).toBe("never got far\n");
    await set(seed.base.derivationId, "Completed");
    await db().deleteFrom("attempts").where("number", "=", later).execute();
  });

  test("is that of another organization only when a public cache shows it", async () => {
    await server.put("orgs", bob, { name: "other", display_name: "Other" });
    const { id: organizationId } = (await server.get("orgs/other", bob)).message;
    const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
    const projectId = String((await server.put("projects/other", bob, project)).message);
    const theirs = await seedEvaluation(db(), { organizationId, projectId, userId: null });
    texts.set(theirs.app.attempt ?? 0, "");
    const number = await insertAttempt(theirs.app.derivationId, "built");
    texts.set(number, "built elsewhere\n");
    await set(seed.app.derivationId, "Substituted");
    const subscription = { cache_id: cacheId, organization_id: organizationId, created_at: 1 };
    await db()
      .insertInto("cache_subscriptions")
      .values({ ...subscription, mode: "ReadWrite" })
      .execute();
    expect((await of("", seed.app.id)).message).toBe("");
    const narHash = "0".repeat(52);
    const object = { nar_hash: narHash, nar_size: 1, file_hash: narHash, file_size: 1 };
    await db()
      .insertInto("nar_objects")
      .values({ ...object, compression: "zstd", created_at: 1, found_hashes_json: null })
      .execute();
    const path = seed.app.drvPath;
    await db()
      .insertInto("cache_paths")
      .values({
        cache_id: cacheId,
        hash_part: path.slice(0, 32),
        path,
        nar_hash: narHash,
        references_json: "[]",
        deriver: null,
        ca: null,
        signatures_json: "[]",
        created_at: 1,
        last_fetched_at: null,
        fetch_count: 0,
      })
      .execute();
    expect((await of("", seed.app.id)).message).toBe("built elsewhere\n");
    await db().updateTable("caches").set({ public: 0 }).where("id", "=", cacheId).execute();
    expect((await of("", seed.app.id)).message).toBe("");
  });
});
