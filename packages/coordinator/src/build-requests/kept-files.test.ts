import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { organizationIdSchema, type OrganizationId } from "@gradient/protocol";
import { beforeEach, afterEach, expect, test } from "vitest";
import { dispatchSession, findSession } from "../db/build-request-repository.ts";
import { openTestServer, type TestServer } from "../http/server.test-support.ts";
import { cleanSources } from "../sources/clean-sources.ts";
import { openSession } from "./open-session.ts";
import { takeBlobs } from "./take-blobs.ts";

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
const MAX_SOURCE_BYTES = 1000;
const NOW = Date.now();

let server: TestServer;
let organization: OrganizationId;
let userId: string;

beforeEach(async () => {
  server = await openTestServer();
  const alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("caches", alice, { name: "main", display_name: "Main", priority: 40 });
  await server.post("orgs/acme/subscribe/main", alice);
  organization = organizationIdSchema.parse((await server.get("orgs/acme", alice)).message.id);
  userId = (await server.get("user", alice)).message.id;
});
afterEach(() => server[Symbol.asyncDispose]());

function hashOf(text: string): string {
  return bytesToHex(blake3(Buffer.from(text)));
}

/** Begins a session for one file; resolves to what is missing. */
function open(text: string, now: number) {
  const { database, sourceFiles } = server.services;
  const file = { path: "file", hash: hashOf(text), size: text.length, executable: false };
  return openSession(
    { database, sourceFiles, maxSourceBytes: MAX_SOURCE_BYTES },
    { organization, userId, files: [file] },
    now,
  );
}

async function upload(text: string, now: number): Promise<void> {
  await send(text, (await open(text, now)).session, now);
}

async function send(text: string, sessionId: string, now: number): Promise<void> {
  const { database, sourceFiles } = server.services;
  const session = await findSession(database.kysely, sessionId);
  if (session === null) throw new Error("the session is not there");
  const blobs = (async function* () {
    yield {
      hash: hashOf(text),
      contents: (async function* () {
        yield Buffer.from(text);
      })(),
    };
  })();
  const stores = { database, sourceFiles, maxSourceBytes: MAX_SOURCE_BYTES };
  await takeBlobs(stores, session, blobs, now);
}

function clean(now: number): Promise<void> {
  return cleanSources(server.services.database.kysely, server.services.sourceFiles, now);
}

async function filesOnDisk(): Promise<string[]> {
  const root = join(server.dataDir, "sources", "blobs");
  const names = await readdir(root, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

test("a file is kept for a week after it was last named, and then gone with its row", async () => {
  await upload("text", NOW);
  await clean(NOW + 6 * DAY_MS);
  expect((await open("text", NOW + 6 * DAY_MS)).missing).toEqual([]);
  await clean(NOW + 12 * DAY_MS);
  expect(await filesOnDisk()).toEqual([hashOf("text")]);
  await clean(NOW + 14 * DAY_MS);
  expect(await filesOnDisk()).toEqual([]);
  expect((await open("text", NOW + 14 * DAY_MS)).missing).toEqual([hashOf("text")]);
});

test("an organization that has no space left loses what it has not named for the longest time", async () => {
  const texts = Array.from({ length: 8 }, (_, index) => String(index).repeat(MAX_SOURCE_BYTES));
  for (const [index, text] of texts.entries()) await upload(text, NOW + index);
  await upload("x".repeat(MAX_SOURCE_BYTES), NOW + 2 * HOUR_MS);
  const onDisk = new Set(await filesOnDisk());
  expect(onDisk.size).toBe(8);
  expect(onDisk.has(hashOf(texts[0] ?? ""))).toBe(false);
});

test("what sessions of the last hour name is not taken away: new files wait", async () => {
  const texts = Array.from({ length: 8 }, (_, index) => String(index).repeat(MAX_SOURCE_BYTES));
  for (const text of texts) await upload(text, NOW);
  await expect(open("new", NOW + HOUR_MS / 2)).rejects.toMatchObject({ status: 413 });
  expect((await open("new", NOW + 2 * HOUR_MS)).missing).toEqual([hashOf("new")]);
});

test("sessions that were opened before anything came share the space", async () => {
  const texts = Array.from({ length: 9 }, (_, index) => String(index).repeat(MAX_SOURCE_BYTES));
  const sessions: { text: string; session: string }[] = [];
  for (const text of texts) sessions.push({ text, session: (await open(text, NOW)).session });
  const last = sessions.pop();
  for (const { text, session } of sessions) await send(text, session, NOW);
  await expect(send(last?.text ?? "", last?.session ?? "", NOW)).rejects.toMatchObject({
    status: 413,
  });
  expect((await filesOnDisk()).length).toBe(8);
});

test("an organization has a bounded number of open sessions, and of their lists nothing stays", async () => {
  for (let n = 0; n < 64; n += 1) await open(String(n), NOW);
  await expect(open("more", NOW)).rejects.toMatchObject({ status: 409, code: "too_many_sessions" });
  const { kysely } = server.services.database;
  const [first] = await kysely.selectFrom("build_request_sessions").select("id").execute();
  expect(await dispatchSession(kysely, first?.id ?? "", NOW)).toBe(true);
  await open("more", NOW);
  await clean(NOW + HOUR_MS);
  const lists = await kysely.selectFrom("build_request_sessions").select("files_json").execute();
  expect(lists.map((row) => row.files_json)).toEqual(Array.from({ length: 65 }, () => "[]"));
  await open("later", NOW + HOUR_MS);
});

test("files go with their organization", async () => {
  await upload("text", NOW);
  const db = server.services.database.kysely;
  await db.deleteFrom("organizations").where("id", "=", organization).execute();
  await clean(NOW);
  expect(await filesOnDisk()).toEqual([]);
});
