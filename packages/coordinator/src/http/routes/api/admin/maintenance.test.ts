import { createHash } from "node:crypto";
import { mkdir, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Worker } from "node:worker_threads";
import { encodeNix32 } from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { compress } from "zstd-napi";
import { noProgress } from "../../../../collection/progress.ts";
import { insertCachedPaths } from "../../../../db/cache-path-repository.ts";
import { insertNarObjects } from "../../../../db/nar-object-repository.ts";
import { NarInspection } from "../../../../intake/nar-inspection.ts";
import { ManualClock } from "../../../../manual-clock.test-support.ts";
import { narOfText } from "../../../../test-objects.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const DAY_MS = 24 * 3600 * 1000;
const PATHS = ["0", "1", "2"].map((digit) => `${digit.repeat(32)}-thing-${digit}`);

let clock: ManualClock;
let server: TestServer;
let root: string;

beforeEach(async () => {
  clock = new ManualClock();
  server = await openTestServer({ clock });
  root = await server.user("warden", true);
  await server.put("caches", root, { name: "main", display_name: "Main" });
  const { id } = (await server.get("caches/main", root)).message;
  await server.post("caches/main/public", root);
  for (const path of PATHS) await show(id, path);
});
afterEach(() => server[Symbol.asyncDispose]());

/** As if a worker had uploaded it now. */
async function show(cacheId: string, path: string): Promise<void> {
  const { kysely } = server.services.database;
  const nar = await narOfText(path);
  const inspection = new NarInspection(nar.length);
  inspection.write(nar);
  const bytes = compress(nar);
  const fileHash = encodeNix32(createHash("sha256").update(bytes).digest());
  const object = { ...inspection.finish(), fileHash, fileSize: bytes.length };
  await store(object.narHash, bytes);
  await insertNarObjects(kysely, [object], clock.now());
  const facts = { references: [], deriver: null, ca: null, signatures: [] };
  const { narHash } = object;
  await insertCachedPaths(kysely, cacheId, [{ path, narHash, ...facts }], clock.now());
}

async function store(narHash: string, bytes: Buffer): Promise<void> {
  const file = server.nars.file(narHash);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}

async function session(): Promise<string> {
  return (
    await server.post("auth/basic/login", undefined, {
      loginname: "warden",
      password: "Correct-Horse7",
      remember_me: true,
    })
  ).message;
}

async function run(what: "deep-gc" | "fsck", body?: object) {
  const token = await session();
  const started = await server.post(`admin/maintenance/${what}`, token, body);
  expect(started.status).toBe(202);
  await server.services.maintenance.idle();
  const task = await server.get(`admin/tasks/${started.message.task_id}`, token);
  expect(task.status).toBe(200);
  return task.message;
}

async function shown(): Promise<number[]> {
  return Promise.all(
    PATHS.map(
      async (path) => (await server.get(`/cache/main/${path.slice(0, 32)}.narinfo`)).status,
    ),
  );
}

async function narFile(path: string): Promise<string> {
  const { nar_hash: narHash } = await server.services.database.kysely
    .selectFrom("cache_paths")
    .select("nar_hash")
    .where("path", "=", path)
    .executeTakeFirstOrThrow();
  return server.nars.file(narHash);
}

describe("a garbage collection", () => {
  test("is for superusers", async () => {
    const alice = await server.user("alice");
    for (const path of ["admin/maintenance/deep-gc", "admin/maintenance/fsck"]) {
      expect((await server.post(path, alice)).status).toBe(403);
      expect((await server.post(path)).status).toBe(401);
    }
    expect((await server.get("admin/tasks", alice)).status).toBe(403);
  });

  test("tells what would go, and then lets it go", async () => {
    expect(await run("deep-gc")).toMatchObject({ status: "completed", removed_paths: 0 });
    await clock.advance(20 * DAY_MS);
    const dry = await run("deep-gc", { dry_run: true, cache: "main" });
    expect(dry).toMatchObject({ status: "completed", dry_run: true, removed_paths: 3 });
    expect(new Set(dry.report)).toEqual(new Set(PATHS));
    expect(await shown()).toEqual([200, 200, 200]);
    expect(await run("deep-gc")).toMatchObject({ removed_paths: 3, removed_files: 3 });
    await clock.advance(3000);
    expect(await shown()).toEqual([404, 404, 404]);
    const tasks = await server.get("admin/tasks", await session());
    expect(tasks.message.map((task: { dry_run: boolean }) => task.dry_run)).toEqual([
      false,
      true,
      false,
    ]);
  });

  test("is one at a time, and of a cache that is there", async () => {
    const token = await session();
    await server.services.database.kysely
      .insertInto("maintenance_tasks")
      .values({
        id: "019a0000-0000-7000-8000-000000000001",
        kind: "collection",
        state: "running",
        cache_id: null,
        dry_run: 0,
        repair: 0,
        progress_json: JSON.stringify(noProgress()),
        error: null,
        requested_by: null,
        created_at: clock.now(),
        started_at: clock.now(),
        finished_at: null,
      })
      .execute();
    expect((await server.post("admin/maintenance/deep-gc", token)).status).toBe(409);
    await server.services.database.kysely.deleteFrom("maintenance_tasks").execute();
    const missing = await server.post("admin/maintenance/deep-gc", token, { cache: "nothing" });
    expect(missing.status).toBe(404);
    const task = "admin/tasks/019a0000-0000-7000-8000-000000000001";
    expect((await server.get(task, token)).status).toBe(404);
  });

  test("comes once a day by itself, and goes on after a restart", async () => {
    await clock.advance(DAY_MS + 3_600_000);
    server.services.maintenance.start();
    await clock.advance(60_000);
    await server.services.maintenance.idle();
    const tasks = (await server.get("admin/tasks", await session())).message;
    expect(tasks).toMatchObject([{ kind: "deep_gc", status: "completed" }]);
    await server.services.database.kysely
      .updateTable("maintenance_tasks")
      .set({ state: "running", finished_at: null })
      .execute();
    server.services.maintenance.wake();
    await server.services.maintenance.idle();
    const again = (await server.get("admin/tasks", await session())).message;
    expect(again).toMatchObject([{ id: tasks[0].id, status: "completed" }]);
  });
});

test("what was noted about accounts goes after two years", async () => {
  const { maintenance, database } = server.services;
  const events = async () => {
    const rows = await database.kysely.selectFrom("audit_events").select("event").execute();
    return rows.map(({ event }) => event);
  };
  const before = await events();
  expect(before).toContain("register");
  await clock.advance(729 * DAY_MS);
  maintenance.wake();
  await maintenance.idle();
  expect(await events()).toEqual(before);
  await server.user("later");
  await clock.advance(2 * DAY_MS);
  maintenance.wake();
  await maintenance.idle();
  expect((await events()).filter((event) => event === "register")).toHaveLength(1);
});

describe("a check", () => {
  test("finds nothing wrong with what is as it was", async () => {
    expect(await run("fsck")).toMatchObject({ checked_files: 3, problems: 0, report: [] });
  });

  test("looks at files in a thread, and everybody is answered meanwhile", async () => {
    const threads: Worker[] = [];
    const noteThread = (thread: Worker): void => void threads.push(thread);
    process.on("worker", noteThread);
    const inspect = vi.spyOn(NarInspection.prototype, "write");
    const read = server.nars.read.bind(server.nars);
    const answers: number[][] = [];
    server.nars.read = async (narHash) => {
      const bytes = await buffer(await read(narHash));
      return Readable.from(
        (async function* () {
          yield bytes.subarray(0, 20);
          answers.push(await shown());
          yield bytes.subarray(20);
        })(),
      );
    };
    expect(await run("fsck")).toMatchObject({ checked_files: 3, problems: 0 });
    process.off("worker", noteThread);
    expect(answers).toEqual([200, 200, 200].map(() => [200, 200, 200]));
    expect(inspect).not.toHaveBeenCalled();
    expect(threads).toHaveLength(1);
  });

  test("tells what is damaged, what is missing, and what nothing knows", async () => {
    const [damaged = "", missing = ""] = PATHS;
    await writeFile(await narFile(damaged), "something else");
    await unlink(await narFile(missing));
    const stray = "0".repeat(52);
    await store(stray, Buffer.from("x"));
    const report = await run("fsck");
    expect(report).toMatchObject({ checked_files: 3, problems: 3, removed_paths: 0 });
    const lines = report.report.join("\n");
    expect(lines).toContain(`(/nix/store/${damaged}) is damaged`);
    expect(lines).toContain(`(/nix/store/${missing}) is missing`);
    expect(lines).toContain(`sha256:${stray}: a file that nothing knows`);
    expect(await run("fsck")).toMatchObject({ problems: 3 });
  });

  test("with repair takes what is damaged out of the cache with what refers to it", async () => {
    const [damaged = "", user = ""] = PATHS;
    const { kysely } = server.services.database;
    const { cache_id: cacheId } = await kysely
      .selectFrom("cache_paths")
      .select("cache_id")
      .limit(1)
      .executeTakeFirstOrThrow();
    await kysely
      .insertInto("cache_path_references")
      .values({ cache_id: cacheId, reference: damaged.slice(0, 32), referrer: user.slice(0, 32) })
      .execute();
    await kysely
      .updateTable("cache_paths")
      .set({ references_json: JSON.stringify([damaged]) })
      .where("path", "=", user)
      .execute();
    const file = await narFile(damaged);
    await writeFile(file, "something else");
    expect(await run("fsck", { repair: true })).toMatchObject({ problems: 1, removed_paths: 2 });
    await clock.advance(3000);
    expect(await shown()).toEqual([404, 404, 200]);
    expect(await run("fsck", { repair: true })).toMatchObject({ checked_files: 1, problems: 0 });
    // It is taken again when it comes again.
    await show(cacheId, damaged);
    expect(await run("fsck")).toMatchObject({ checked_files: 2, problems: 0 });
  });
});
