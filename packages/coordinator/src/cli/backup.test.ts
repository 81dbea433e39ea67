import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Sqlite from "better-sqlite3";
import { storePathHash } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBackupFolder } from "../backup/backup-folder.ts";
import { CommandLine } from "./cli.test-support.ts";
import {
  makeFarm,
  serve,
  uploadWith,
  type ServedPath,
  type Visitor,
} from "./visitor.test-support.ts";

let line: CommandLine;
let dataDir: string;
let folder: string;
/** What a coordinator serves that had taken it before the backup began, by the path's hash. */
const taken = new Map<string, ServedPath>();
/** Files that collections removed while the backups were written. */
let collected = 0;

beforeAll(async () => {
  line = new CommandLine();
  dataDir = join(line.directory, "data");
  folder = join(line.directory, "backup");
  await makeFarm(line, dataDir);
  addLog(7, "packed");
  await serve(line, dataDir, backUpWhileWriting);
}, 120_000);
afterAll(() => line[Symbol.dispose]());

/** The log of an attempt that nothing else is known of. */
function addLog(attempt: number, text: string): void {
  mkdirSync(join(dataDir, "log"), { recursive: true });
  writeFileSync(join(dataDir, "log", `${attempt}.log.zst`), text);
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  database.pragma("foreign_keys = OFF");
  database.exec(
    `insert into attempts (number, build_id, status, created_at, log_bytes) values (${attempt}, 1, 'built', 1, 6)`,
  );
  database.close();
}

/** Uploads and collections go on all the time. */
async function backUpWhileWriting(alice: Visitor): Promise<void> {
  await alice.makeCache();
  for (let at = 0; at < 5; at += 1) await take(alice);
  const stop = new AbortController();
  const meanwhile = [writeUntil(stop.signal, alice), collectUntil(stop.signal, alice)];
  await line.done(["backup", folder, "--data-dir", dataDir]);
  for (let at = 0; at < 3; at += 1) await take(alice);
  while (collected === 0) await sleep(50);
  const again = await line.done(["backup", folder, "--data-dir", dataDir, "--verify"]);
  expect(again).toContain("it was restored beside itself");
  stop.abort();
  await Promise.all(meanwhile);
}

/** Uploads a path that stays. */
async function take(alice: Visitor): Promise<void> {
  const upload = uploadWith(`kept ${taken.size}`);
  const hash = storePathHash(upload.info.path);
  taken.set(hash, { narinfo: "", bytes: Buffer.alloc(0) });
  await alice.put(upload);
  const served = await alice.served(hash);
  if (served !== null) taken.set(hash, served);
}

async function writeUntil(signal: AbortSignal, alice: Visitor): Promise<void> {
  for (let at = 0; !signal.aborted; at += 1) await alice.put(uploadWith(`passing ${at}`));
}

/** One collection after the other, each of which finds everything old but what stays. */
async function collectUntil(signal: AbortSignal, alice: Visitor): Promise<void> {
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  const age = database.prepare(
    "update cache_paths set created_at = 1, last_fetched_at = null where hash_part not in (select value from json_each(?))",
  );
  while (!signal.aborted) {
    age.run(JSON.stringify([...taken.keys()]));
    database.exec("update cache_nar_files set created_at = 1");
    collected += await collect(alice);
  }
  database.close();
}

/** Resolves to the number of files that went; 0 when the daily collection is just going on. */
async function collect(alice: Visitor): Promise<number> {
  const started = await alice.api("POST", "/admin/maintenance/deep-gc").catch(() => null);
  for (;;) {
    await sleep(20);
    if (started === null) return 0;
    const task = await alice.api("GET", `/admin/tasks/${started.task_id}`);
    if (task.finished_at !== null) return task.removed_files;
  }
}

describe("a backup", () => {
  test("of a farm that writes and collects makes one that has all that was there, and a NAR for each narinfo", async () => {
    const restored = join(line.directory, "restored");
    const out = await line.done(["restore", folder, "--data-dir", restored]);
    expect(out).toMatch(/restored is the farm of \d{4}-/);
    expect(readdirSync(join(restored, "log"))).toEqual(["7.log.zst"]);
    expect(statSync(join(restored, "keys")).mode & 0o077).toBe(0);
    expect(await line.done(["fsck", "--data-dir", restored])).toContain("; 0 problems\n");
    expect(taken.size).toBe(8);
    await serve(line, restored, async (alice) => {
      for (const [hash, before] of taken) expect(await alice.served(hash)).toEqual(before);
    });
  });

  test("that is brought up to date takes only what is new", async () => {
    const first = JSON.parse(await line.done(["backup", folder, "--data-dir", dataDir, "--json"]));
    expect(first).toMatchObject({ lost: [], notContained: [], problems: null });
    const second = JSON.parse(await line.done(["backup", folder, "--data-dir", dataDir, "--json"]));
    expect(second.nars).toEqual({ all: first.nars.all, fresh: 0 });
    expect(second.logs).toEqual({ all: 1, fresh: 0 });
  });

  test("says what is not in it", async () => {
    const other = join(line.directory, "other-backup");
    const secret = line.file(`${"s".repeat(40)}\n`);
    const elsewhere = ["--crypt-secret-file", secret, "--object-store", "s3://nars/farm"];
    const out = await line.done(["backup", other, "--data-dir", dataDir, ...elsewhere]);
    expect(out).toContain("keep it apart: NARs: they are in s3://nars/farm/\n");
    expect(out).toContain(`keep it apart: the crypt secret: ${secret}\n`);
    const restored = join(line.directory, "other-restored");
    const told = await line.done(["restore", other, "--data-dir", restored]);
    expect(told).toContain("start it with --crypt-secret-file");
    expect(told).toContain("start it with --object-store");
  });

  test("tells NARs that the farm itself has lost, and files that were damaged", async () => {
    const copy = join(line.directory, "copy");
    const broken = join(line.directory, "broken");
    await line.done(["restore", folder, "--data-dir", broken]);
    const parts = readdirSync(join(broken, "nar")).filter((name) => name.length === 2);
    const files = parts.flatMap((part) =>
      readdirSync(join(broken, "nar", part)).map((name) => join(broken, "nar", part, name)),
    );
    const [lost = "", damaged = ""] = files;
    rmSync(lost);
    rmSync(damaged);
    writeFileSync(damaged, "not a NAR");
    chmodSync(damaged, 0o444);
    const told = await line.run(["backup", copy, "--data-dir", broken, "--verify"]);
    expect(told.exitCode).toBe(1);
    expect(told.err).toMatch(/NAR sha256:\w{52} is missing in the farm itself/);
    expect(told.err).toContain("is damaged");
    expect(told.err).toContain("1 NARs were lost before: run fsck --repair");
  });
});

describe("restore refuses", () => {
  test("a directory with something in it", async () => {
    const { exitCode, err } = await line.run(["restore", folder, "--data-dir", dataDir]);
    expect([exitCode, err]).toEqual([1, expect.stringContaining("is not empty")]);
  });

  test("a folder without a complete backup", async () => {
    const nothing = join(line.directory, "nothing");
    mkdirSync(nothing);
    const { exitCode, err } = await line.run(["restore", nothing, "--data-dir", nothing]);
    expect([exitCode, err]).toEqual([1, expect.stringContaining("has no complete backup")]);
  });
});

describe("backup refuses", () => {
  test("folders of others, folders in the data directory, and directories without a farm", async () => {
    const said = async (...args: string[]) => (await line.run(["backup", ...args])).err;
    expect(await said(line.directory, "--data-dir", dataDir)).toContain("give an empty folder");
    for (const name of ["", "b", "..b"]) {
      expect(await said(join(dataDir, name), "--data-dir", dataDir)).toContain("elsewhere");
    }
    await expect(openBackupFolder("b", process.cwd())).rejects.toThrow("elsewhere");
    const empty = join(line.directory, "empty");
    expect(await said(join(line.directory, "b"), "--data-dir", empty)).toContain("has no farm");
  });
});
