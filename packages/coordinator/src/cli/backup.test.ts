import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { formatNarInfo, storePathHash } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { file, nar, uploadOf, type Upload } from "../http/routes/cache/uploads.test-support.ts";
import { CommandLine } from "./cli.test-support.ts";

const PASSWORD = "Seven-otters-4-tea";

let line: CommandLine;
let dataDir: string;
let folder: string;
/** What a coordinator serves that had taken it before the backup began: narinfo and NAR, by the path's hash. */
const taken = new Map<string, { readonly narinfo: string; readonly bytes: Buffer }>();

beforeAll(async () => {
  line = new CommandLine();
  dataDir = join(line.directory, "data");
  folder = join(line.directory, "backup");
  const who = "--username alice --name Alice --email alice@example.org --superuser".split(" ");
  const password = ["--password-file", line.file(PASSWORD)];
  await line.done(["user", "create", "--data-dir", dataDir, ...who, ...password]);
  addLog(7, "packed");
  await serve(dataDir, backUpWhileWriting);
});
afterAll(() => line[Symbol.dispose]());

async function serve(data: string, act: (url: string) => Promise<void>): Promise<void> {
  const args = `serve --data-dir ${data} --listen 127.0.0.1:0 --log-level silent`.split(" ");
  const run = await line.run([...args, "--rate-limits", "false"], {
    text: "\n",
    act: (out) => act(/http:\S+/.exec(out)?.[0] ?? ""),
  });
  expect(run).toMatchObject({ exitCode: 0, err: "" });
}

async function logIn(url: string): Promise<string> {
  const answer = await fetch(`${url}/api/v1/auth/basic/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ loginname: "alice", password: PASSWORD }),
  });
  expect(answer.status).toBe(200);
  return String(Object(await answer.json()).message);
}

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

interface Writer {
  put(): Promise<Upload>;
  drop(upload: Upload): Promise<void>;
}

function writerOf(url: string, token: string): Writer {
  const send = async (method: string, path: string, body?: Buffer | string) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: new Blob([new Uint8Array(Buffer.from(body))]) }),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  let count = 0;
  return {
    put: async () => {
      const upload = uploadOf(nar(file(`contents ${(count += 1)}`)));
      await send("PUT", `/cache/main/nar/${upload.fileName}`, upload.bytes);
      const hash = storePathHash(upload.info.path);
      await send("PUT", `/cache/main/${hash}.narinfo`, formatNarInfo(upload.info));
      return upload;
    },
    drop: ({ info }) => send("DELETE", `/api/v1/caches/main/nars/${storePathHash(info.path)}`),
  };
}

/** Uploads and removals go on all the time. */
async function backUpWhileWriting(url: string): Promise<void> {
  const token = await logIn(url);
  await fetch(`${url}/api/v1/caches`, {
    method: "PUT",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ name: "main", display_name: "Main", public: true }),
  });
  const writer = writerOf(url, token);
  for (let at = 0; at < 5; at += 1) await take(url, await writer.put());
  const stop = new AbortController();
  const writing = writeUntil(stop.signal, writer);
  await line.done(["backup", folder, "--data-dir", dataDir]);
  for (let at = 0; at < 3; at += 1) await take(url, await writer.put());
  const again = await line.done(["backup", folder, "--data-dir", dataDir, "--verify"]);
  expect(again).toContain("it was restored beside itself");
  stop.abort();
  await writing;
}

async function take(url: string, { info }: Upload): Promise<void> {
  const hash = storePathHash(info.path);
  taken.set(hash, await servedAt(url, hash));
}

async function servedAt(url: string, hash: string) {
  const narinfo = await (await fetch(`${url}/cache/main/${hash}.narinfo`)).text();
  const place = /^URL: (.*)$/m.exec(narinfo)?.[1];
  const answer = await fetch(`${url}/cache/main/${place}`);
  expect(answer.status).toBe(200);
  return { narinfo, bytes: Buffer.from(await answer.arrayBuffer()) };
}

async function writeUntil(signal: AbortSignal, writer: Writer): Promise<void> {
  let last: Upload | null = null;
  while (!signal.aborted) {
    const upload = await writer.put();
    if (last !== null) await writer.drop(last);
    last = upload;
  }
}

describe("a backup", () => {
  test("of a farm that writes makes a farm that has all that was there, and lets users in", async () => {
    const restored = join(line.directory, "restored");
    const out = await line.done(["restore", folder, "--data-dir", restored]);
    expect(out).toMatch(/restored is the farm of \d{4}-/);
    expect(readdirSync(join(restored, "log"))).toEqual(["7.log.zst"]);
    expect(statSync(join(restored, "keys")).mode & 0o077).toBe(0);
    expect(taken.size).toBe(8);
    await serve(restored, async (url) => {
      await logIn(url);
      for (const [hash, before] of taken) expect(await servedAt(url, hash)).toEqual(before);
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
    expect(await said(join(dataDir, "b"), "--data-dir", dataDir)).toContain("elsewhere");
    const empty = join(line.directory, "empty");
    expect(await said(join(line.directory, "b"), "--data-dir", empty)).toContain("has no farm");
  });
});
