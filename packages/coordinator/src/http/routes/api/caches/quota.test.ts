import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { formatNarInfo, storePathBase, storePathHash } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noProgress } from "../../../../collection/progress.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";
import { file, nar, uploadOf, type Upload } from "../../cache/uploads.test-support.ts";

const GB = 1024 ** 3;

let server: TestServer;
let alice: string;
let made = 0;

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_MAX_NAR_UPLOAD_SIZE: "16M" } });
  alice = await server.user("alice");
});
afterAll(() => server[Symbol.asyncDispose]());

/** A cache with a limit in which so many bytes are left. */
async function cacheWithRoom(bytes: number): Promise<{ name: string; id: string }> {
  made += 1;
  const name = `cache-${made}`;
  await server.put("caches", alice, { name, display_name: name, max_storage_gb: 1 });
  const { id } = (await server.get(`caches/${name}`, alice)).message;
  const { kysely } = server.services.database;
  await kysely.deleteFrom("cache_upstreams").execute();
  await kysely
    .insertInto("cache_totals")
    .values({ cache_id: id, paths: 1, nar_bytes: 1, file_bytes: GB - bytes })
    .execute();
  return { name, id };
}

/** Three that differ. */
function uploads(): [Upload, Upload, Upload] {
  const ofSize = (size: number) => uploadOf(nar(file(`${made} `.repeat(size).slice(0, size))));
  return [ofSize(1000), ofSize(2000), ofSize(3000)];
}

async function put(path: string, body: Buffer | string): Promise<string> {
  const response = await fetch(`${server.url}${path}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${alice}`, "content-type": "application/octet-stream" },
    body: Buffer.isBuffer(body) ? new Uint8Array(body) : body,
  });
  const text = await response.text();
  return response.ok ? String(response.status) : text;
}

const narOf = (cache: string, { info }: Upload) =>
  `caches/${cache}/nars/${storePathHash(info.path)}`;
const putChunk = (cache: string, upload: Upload, bytes = upload.bytes) =>
  put(`/api/v1/${narOf(cache, upload)}/chunk?offset=0`, bytes);
const putNar = (cache: string, { fileName, bytes }: Upload) =>
  put(`/cache/${cache}/nar/${fileName}`, bytes);
const putNarInfo = (cache: string, { info }: Upload) =>
  put(`/cache/${cache}/${storePathHash(info.path)}.narinfo`, formatNarInfo(info));

function finalize(cache: string, upload: Upload) {
  const { info } = upload;
  return server.post(`${narOf(cache, upload)}/finalize`, alice, {
    store_path: storePathBase(info.path),
    file_hash: info.fileHash,
    file_size: info.fileSize,
    nar_hash: info.narHash,
    nar_size: info.narSize,
    references: [],
    deriver: null,
  });
}

const totals = (id: string) =>
  server.services.database.kysely
    .selectFrom("cache_totals")
    .select(["file_bytes as shown", "waiting_bytes as waiting", "stored_bytes as stored"])
    .where("cache_id", "=", id)
    .executeTakeFirstOrThrow();

/** Stored NARs, drafts and chunks. */
async function filesOnDisk(): Promise<string[]> {
  const folders = ["nar", "uploads"].map((folder) => join(server.dataDir, folder));
  const all = await Promise.all(
    folders.map((folder) => readdir(folder, { recursive: true, withFileTypes: true })),
  );
  return all.flatMap((each) => each.filter((entry) => entry.isFile()).map(({ name }) => name));
}

test("what does not fit into its cache is refused, nothing is kept of it, and room is made", async () => {
  const { name, id } = await cacheWithRoom(10);
  const before = await filesOnDisk();
  const [upload] = uploads();
  for (const answer of [await putChunk(name, upload), await putNar(name, upload)]) {
    expect(answer).toContain("cache_storage_full");
    expect(answer).toContain("has room for 10");
  }
  expect(await filesOnDisk()).toEqual(before);
  await server.services.maintenance.idle();
  const task = await server.services.database.kysely
    .selectFrom("maintenance_tasks")
    .select(["kind", "cache_id"])
    .executeTakeFirst();
  expect(task).toEqual({ kind: "collection", cache_id: id });
});

test("room is looked for again within the hour when the last look brought some, were it only a document", async () => {
  const { name, id } = await cacheWithRoom(10);
  const { maintenance, database } = server.services;
  const [upload] = uploads();
  const tasks = async () => {
    await putNar(name, upload);
    await maintenance.idle();
    const rows = await database.kysely
      .selectFrom("maintenance_tasks")
      .select("id")
      .where("cache_id", "=", id)
      .execute();
    return rows.length;
  };
  expect(await tasks()).toBe(1);
  for (const files of [0, 1]) {
    await database.kysely
      .updateTable("maintenance_tasks")
      .set({
        created_at: server.services.clock.now() - 120_000,
        progress_json: JSON.stringify({ ...noProgress(), files }),
      })
      .where("cache_id", "=", id)
      .execute();
    expect(await tasks()).toBe(1 + files);
  }
});

test("chunks count in their cache until they are finished or given up, and do not keep their own file out", async () => {
  const [first, second, third] = uploads();
  const { name } = await cacheWithRoom(first.bytes.length + second.bytes.length + 10);
  const { name: roomy } = await cacheWithRoom(GB);
  expect(await putChunk(name, first)).toBe("200");
  expect(await putChunk(name, second)).toBe("200");
  const answer = await putChunk(name, third);
  expect(answer).toContain("cache_storage_full");
  expect(answer).toContain("has room for 10");
  expect(answer).toContain("give them up with an empty chunk at offset 0");
  expect(await putChunk(roomy, third)).toBe("200");
  const finished = await finalize(name, first);
  expect([finished.status, finished.text]).toEqual([201, expect.any(String)]);
  expect(await putChunk(name, second, Buffer.alloc(0))).toBe("200");
  expect(await putChunk(name, second)).toBe("200");
});

test("a file that was put counts before its path is shown, and once", async () => {
  const [first, second, third] = uploads();
  const { name, id } = await cacheWithRoom(second.bytes.length + third.bytes.length);
  const shown = (await totals(id)).shown;
  expect(await putNar(name, third)).toBe("201");
  expect(await putNar(name, third)).toBe("201");
  expect(await totals(id)).toMatchObject({ shown, waiting: third.bytes.length });
  expect(await putChunk(name, third)).toContain("cache_storage_full");
  expect(await putNarInfo(name, third)).toBe("201");
  expect((await totals(id)).waiting).toBe(0);
  expect((await totals(id)).shown).toBeGreaterThan(shown);
  // What is refused with its narinfo is forgotten.
  expect(await putNar(name, first)).toBe("201");
  const wrong = { ...first, info: { ...first.info, narHash: second.info.narHash } };
  expect(await putNarInfo(name, wrong)).toContain("nar_hash_mismatch");
  expect((await totals(id)).waiting).toBe(0);
});

test("what lies beside the paths counts, the newest of a name only, and is refused when it does not fit", async () => {
  const { name, id } = await cacheWithRoom(3000);
  const log = (n: number) => `/cache/${name}/log/${String(n).repeat(32)}-thing.drv`;
  const before = (await totals(id)).stored ?? 0;
  const taken = async () => ((await totals(id)).stored ?? 0) - before;
  expect(await put(log(0), randomBytes(2000))).toBe("201");
  const first = await taken();
  expect(first).toBeGreaterThanOrEqual(2000);
  const refused = await put(log(1), randomBytes(2000));
  expect(JSON.parse(refused)).toMatchObject({ error: true, code: "cache_storage_full" });
  expect(refused).toContain(`has room for ${3000 - first}`);
  expect(await taken()).toBe(first);
  expect((await server.get(log(1), alice)).status).toBe(404);
  // It takes the place of the first.
  expect(await put(log(0), randomBytes(2970))).toBe("201");
  expect(await taken()).toBeGreaterThanOrEqual(2970);
  const [upload] = uploads();
  expect(await putNar(name, upload)).toContain("cache_storage_full");
  // What the cache takes is said as its limit has it.
  const { message } = await server.get(`caches/${name}/nars/stats`, alice);
  expect(message.total_file_size).toBe(before + (await taken()));
  // However full it is: what shrinks is taken.
  const { kysely } = server.services.database;
  await kysely
    .updateTable("cache_totals")
    .set({ file_bytes: 2 * GB })
    .execute();
  expect(await put(log(0), randomBytes(1000))).toBe("201");
});

test("what lies beside the paths of any cache counts for what all may take", async () => {
  await using small = await openTestServer({ env: { GRADIENT_MAX_STORAGE_GB: "1" } });
  const bob = await small.user("bob");
  for (const cache of ["a", "b"]) {
    await small.put("caches", bob, { name: cache, display_name: cache });
  }
  await small.services.database.kysely
    .updateTable("nar_totals")
    .set({ file_bytes: GB - 3000 })
    .execute();
  const putLog = async (cache: string) =>
    (
      await fetch(`${small.url}/cache/${cache}/log/${"0".repeat(32)}-thing.drv`, {
        method: "PUT",
        headers: { authorization: `Bearer ${bob}` },
        body: new Uint8Array(randomBytes(2000)),
      })
    ).status;
  expect([await putLog("a"), await putLog("b")]).toEqual([201, 409]);
});

test("the answer to a chunk that is refused comes through, however much of it is still sent", async () => {
  const { name } = await cacheWithRoom(10);
  const [upload] = uploads();
  expect(await putChunk(name, upload, Buffer.alloc(12 * 1024 ** 2))).toContain(
    "cache_storage_full",
  );
});
