import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPassword } from "../auth/passwords.ts";
import { openDatabase } from "../db/client.ts";
import { insertTask, listTasks } from "../db/maintenance-repository.ts";
import { settingKey, settingNames } from "../config/settings.ts";
import { runCli } from "./program.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "cli-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Run {
  exitCode: number;
  out: string;
  err: string;
}

/** Runs a command line to its end; `stop` is asked for once `until` is written. */
async function run(
  args: string[],
  until?: { text: string; act: (out: string) => Promise<void> },
): Promise<Run> {
  let out = "";
  let err = "";
  const stop = new AbortController();
  let meanwhile: Promise<void> = Promise.resolve();
  const exitCode = await runCli(args, {
    env: {},
    writeOut: (text) => {
      out += text;
      if (until !== undefined && out.includes(until.text)) {
        meanwhile = until.act(out).finally(() => stop.abort());
      }
    },
    writeErr: (text) => {
      err += text;
    },
    stop: stop.signal,
  });
  await meanwhile;
  return { exitCode, out, err };
}

function fileWith(text: string): string {
  const file = join(directory, `${Math.random()}`);
  writeFileSync(file, text);
  return file;
}

const freshDir = () => join(directory, `${Math.random()}`, "data");

function userArgs(dataDir: string, password: string, extra: string[] = []): string[] {
  const who = ["--username", "alice", "--email", "alice@example.com", "--name", "Alice A"];
  const file = fileWith(password);
  return ["user", "create", "--data-dir", dataDir, ...who, "--password-file", file, ...extra];
}

test("the help of serve names every setting with its flag and variables", async () => {
  const { exitCode, out } = await run(["serve", "--help"]);
  expect(exitCode).toBe(0);
  for (const name of settingNames()) expect(out).toContain(`--${settingKey(name)} <`);
  expect(out.replaceAll(/\s+/g, " ")).toContain("[GRADIENT_IP, GRADIENT_PORT]");
});

describe("user create", () => {
  test("makes an account in a fresh directory and prints its id", async () => {
    const dataDir = freshDir();
    const { exitCode, out } = await run(userArgs(dataDir, "Correct-Horse7\n", ["--superuser"]));
    expect([exitCode, out]).toEqual([0, expect.stringMatching(/^[0-9a-f-]{36}\n$/)]);
    await using database = await openDatabase(join(dataDir, "farm.sqlite"));
    const user = await database.kysely.selectFrom("users").selectAll().executeTakeFirstOrThrow();
    expect(user).toMatchObject({ id: out.trim(), username: "alice", superuser: 1 });
    expect(user.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  test("tells mistakes in one line, by exit code", async () => {
    const dataDir = freshDir();
    expect(await run(userArgs(dataDir, "short"))).toEqual({
      exitCode: 2,
      out: "",
      err: "gradient-coordinator: password cannot be used: it needs 8 to 128 bytes\n",
    });
    await run(userArgs(dataDir, "Correct-Horse7"));
    const taken = await run(userArgs(dataDir, "Correct-Horse7"));
    expect([taken.exitCode, taken.err.split("\n").length]).toEqual([1, 2]);
    expect((await run(["user", "create", "--data-dir", dataDir])).exitCode).toBe(2);
    const both = await run(userArgs(dataDir, "Correct-Horse7", ["--for-oidc"]));
    expect([both.exitCode, both.err]).toEqual([2, expect.stringContaining("either")]);
    const nowhere = userArgs(dataDir, "x").with(-1, "/nonexistent");
    expect((await run(nowhere)).err).toContain("cannot be read");
  });

  test("makes an account without a password for an owner whom the provider knows", async () => {
    const dataDir = freshDir();
    const args = userArgs(dataDir, "").slice(0, -2);
    const { exitCode } = await run([...args, "--for-oidc"]);
    expect(exitCode).toBe(0);
    await using database = await openDatabase(join(dataDir, "farm.sqlite"));
    const user = await database.kysely.selectFrom("users").selectAll().executeTakeFirstOrThrow();
    expect(user).toMatchObject({ password_hash: null, superuser: 0, oidc_subject: null });
  });
});

describe("an account", () => {
  test("gets another password, which ends its sessions", async () => {
    const dataDir = freshDir();
    const { out } = await run(userArgs(dataDir, "Correct-Horse7"));
    await using database = await openDatabase(join(dataDir, "farm.sqlite"));
    await database.kysely
      .insertInto("sessions")
      .values({
        id: "s",
        user_id: out.trim(),
        created_at: 1,
        expires_at: 2e15,
        last_used_at: 1,
        revoked_at: null,
        user_agent: null,
        ip: null,
      })
      .execute();
    const set = (username: string, password: string) =>
      run([
        ...`user set-password --data-dir ${dataDir} --username ${username}`.split(" "),
        "--password-file",
        fileWith(password),
      ]);
    expect((await set("alice", "Another-Horse7\n")).exitCode).toBe(0);
    const user = await database.kysely.selectFrom("users").selectAll().executeTakeFirstOrThrow();
    expect(await isPassword("Another-Horse7", user.password_hash)).toBe(true);
    const session = await database.kysely
      .selectFrom("sessions")
      .selectAll()
      .executeTakeFirstOrThrow();
    expect(session.revoked_at).not.toBeNull();
    expect((await set("alice", "short")).exitCode).toBe(2);
    expect(await set("nobody", "Another-Horse7")).toMatchObject({
      exitCode: 1,
      err: 'gradient-coordinator: user "nobody" does not exist\n',
    });
  });

  test("is deactivated and activated", async () => {
    const dataDir = freshDir();
    await run(userArgs(dataDir, "Correct-Horse7"));
    await using database = await openDatabase(join(dataDir, "farm.sqlite"));
    const who = ["--data-dir", dataDir, "--username", "alice"];
    for (const [verb, active] of [
      ["deactivate", 0],
      ["activate", 1],
    ] as const) {
      expect((await run(["user", verb, ...who])).exitCode).toBe(0);
      const user = await database.kysely.selectFrom("users").selectAll().executeTakeFirstOrThrow();
      expect(user.active).toBe(active);
    }
    expect((await run(["user", "activate", ...who.with(-1, "nobody")])).exitCode).toBe(1);
  });
});

describe("gc and fsck", () => {
  const report = /^0 paths went, 0 bytes\n0 files went, 0 bytes\n$/;

  test("work over a directory that nobody serves", async () => {
    const dataDir = freshDir();
    const gc = await run(["gc", "--data-dir", dataDir]);
    expect([gc.exitCode, gc.out]).toEqual([0, expect.stringMatching(report)]);
    const dry = await run(["gc", "--dry-run", "--data-dir", dataDir]);
    expect([dry.exitCode, dry.out]).toEqual([0, "0 paths would go, 0 bytes\n"]);
    const json = await run(["gc", "--json", "--data-dir", dataDir]);
    expect(JSON.parse(json.out)).toMatchObject({ dryRun: false, paths: 0, fileBytes: 0 });
    const fsck = await run(["fsck", "--data-dir", dataDir]);
    expect([fsck.exitCode, fsck.out]).toEqual([0, "0 files checked, 0 bytes; 0 problems\n"]);
    const missing = await run(["gc", "--cache", "nothing", "--data-dir", dataDir]);
    expect([missing.exitCode, missing.err]).toEqual([
      1,
      'gradient-coordinator: cache "nothing" does not exist\n',
    ]);
  });

  test("ask the coordinator that serves the directory", async () => {
    const dataDir = freshDir();
    const args = `serve --data-dir ${dataDir} --listen 127.0.0.1:0 --log-level silent`.split(" ");
    const { exitCode } = await run(args, {
      text: "\n",
      act: async () => {
        const gc = await run(["gc", "--data-dir", dataDir]);
        expect([gc.exitCode, gc.out]).toEqual([0, expect.stringMatching(report)]);
        expect((await run(["fsck", "--repair", "--data-dir", dataDir])).exitCode).toBe(0);
      },
    });
    expect(exitCode).toBe(0);
  });

  test("do what a command that was stopped has left, once if it is the same", async () => {
    const dataDir = freshDir();
    await run(["migrate", "--data-dir", dataDir]);
    const leave = async () => {
      await using database = await openDatabase(join(dataDir, "farm.sqlite"));
      await insertTask(database.kysely, { kind: "check" }, Date.now());
    };
    await leave();
    expect((await run(["fsck", "--data-dir", dataDir])).exitCode).toBe(0);
    await leave();
    expect((await run(["fsck", "--repair", "--data-dir", dataDir])).exitCode).toBe(0);
    await using database = await openDatabase(join(dataDir, "farm.sqlite"));
    const tasks = await listTasks(database.kysely, 10);
    expect(tasks.map(({ isRepair }) => isRepair)).toEqual([true, false, false]);
    expect(tasks.map(({ finishedAt }) => finishedAt)).not.toContain(null);
  });

  test("tell a damaged file", async () => {
    const dataDir = freshDir();
    await run(["migrate", "--data-dir", dataDir]);
    mkdirSync(join(dataDir, "nar", "00"), { recursive: true });
    writeFileSync(join(dataDir, "nar", "00", `${"0".repeat(52)}.nar.zst`), "x");
    const fsck = await run(["fsck", "--data-dir", dataDir]);
    expect([fsck.exitCode, fsck.out]).toEqual([1, expect.stringContaining("nothing knows")]);
    expect((await run(["fsck", "--repair", "--data-dir", dataDir])).exitCode).toBe(0);
    expect((await run(["fsck", "--data-dir", dataDir])).exitCode).toBe(0);
  });
});

test("migrate brings a database up to date and may be repeated", async () => {
  const dataDir = freshDir();
  for (const _ of ["first", "again"]) {
    const { exitCode, out } = await run(["migrate", "--data-dir", dataDir]);
    expect([exitCode, out]).toEqual([0, `The database in ${dataDir} is up to date\n`]);
  }
});

test("openapi prints the document without a data directory", async () => {
  const json = await run(["openapi"]);
  expect(json.exitCode).toBe(0);
  const document = JSON.parse(json.out) as { openapi: string; paths: object };
  expect(document.openapi).toBe("3.1.0");
  expect(document.paths).toHaveProperty(["/api/v1/health", "get", "summary"]);
  const yaml = await run(["openapi", "--yaml"]);
  expect([yaml.exitCode, yaml.out.slice(0, 15)]).toEqual([0, "openapi: 3.1.0\n"]);
});

describe("serve", () => {
  const serveArgs = (dataDir: string, listen = "127.0.0.1:0") =>
    `serve --data-dir ${dataDir} --listen ${listen} --log-level silent`.split(" ");

  test("answers until it is asked to stop, then ends well", async () => {
    const dataDir = freshDir();
    let health = "";
    const { exitCode } = await run(serveArgs(dataDir), {
      text: "\n",
      act: async (out) => {
        const url = /http:\S+/.exec(out)?.[0] ?? "";
        health = await (await fetch(`${url}/api/v1/health`)).text();
        expect((await run(userArgs(dataDir, "Correct-Horse7"))).exitCode).toBe(0);
        const second = await run(serveArgs(dataDir));
        expect(second).toMatchObject({
          exitCode: 1,
          err: expect.stringContaining("another gradient-coordinator"),
        });
      },
    });
    expect([exitCode, health]).toEqual([0, '{"error":false,"message":"200 ALIVE"}']);
    const { exitCode: again } = await run(serveArgs(dataDir), {
      text: "\n",
      act: () => Promise.resolve(),
    });
    expect(again).toBe(0);
  });

  test("tells what is in its way", async () => {
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
    const address = busy.address();
    const port = typeof address === "object" ? address?.port : 0;
    const inUse = await run(serveArgs(freshDir(), `127.0.0.1:${port}`));
    busy.close();
    expect(inUse).toMatchObject({
      exitCode: 1,
      err: `gradient-coordinator: cannot listen on 127.0.0.1:${port}: the port is in use\n`,
    });
    const file = await run(serveArgs(fileWith("")));
    expect([file.exitCode, file.err.split("\n").length]).toEqual([1, 2]);
    const nowhere = await run(serveArgs("/proc/nowhere"));
    expect([nowhere.exitCode, nowhere.err.split("\n").length]).toEqual([1, 2]);
    expect((await run([...serveArgs(freshDir()), "--lease-seconds", "x"])).exitCode).toBe(2);
    expect((await run(["serve", "--no-such-flag"])).exitCode).toBe(2);
  });

  test("refuses a database that is none", async () => {
    const dataDir = mkdtempSync(join(directory, "junk-"));
    writeFileSync(join(dataDir, "farm.sqlite"), "not a database, whatever its name says");
    const { exitCode, err } = await run(serveArgs(dataDir));
    expect([exitCode, err]).toEqual([
      1,
      expect.stringContaining("cannot be opened: file is not a database"),
    ]);
  });
});
