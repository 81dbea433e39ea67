import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { execa } from "execa";
import { Agent } from "undici";
import { ApiClient, eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { freePort, isListening } from "../support/ports.ts";
import { commands } from "../support/programs.ts";
import type { Row } from "./report.ts";

const PATHS = 1_000_000;
/** A closure: each path refers to the one before it and to three others, and only the last one is fetched. */
const CLOSURE = 100;
/** Of ten closures nobody fetches one: it goes, with its files. */
const OLD_CLOSURE = 10;
const CLIENTS = 4;
const READ_PATHS = 20_000;
const PASSWORD = "Tr1al-of-light!";
const DAY_MS = 24 * 3600 * 1000;

/** A garbage collection of a cache with 1,000,000 paths, of which 100,000 go, while four clients read narinfos of the others. */
export async function collectionRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-collection-"));
  try {
    const hashes = await prepare(directory);
    const { url, daemon } = await start(directory);
    try {
      const atRest = await reading(url, hashes, () => sleep(5000));
      const api = new ApiClient(url);
      await api.login("alice", PASSWORD);
      let tookMs = 0;
      const during = await reading(url, hashes, async () => {
        tookMs = await collect(url, api.token ?? "");
      });
      return [
        row("garbage collection of 1,000,000 paths, 100,000 go", "s", tookMs / 1000, 60),
        row("narinfo meanwhile, p99", "ms", during, 5),
        { ...row("narinfo without it, p99", "ms", atRest, 0), target: null },
      ];
    } finally {
      await daemon.stop();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

function row(what: string, unit: string, ours: number, target: number): Row {
  return { what, unit, ours, theirs: null, against: "limit", better: "less", target };
}

/** A data directory with its user and its paths. Resolves to hash parts of paths that stay. */
async function prepare(directory: string): Promise<string[]> {
  const passwordFile = join(directory, "password");
  await writeFile(passwordFile, PASSWORD, { mode: 0o600 });
  const { command, argv } = commands.coordinator;
  const user = ["--username", "alice", "--email", "alice@example.org", "--name", "Alice"];
  const data = ["--data-dir", directory, "--password-file", passwordFile, "--superuser"];
  await execa(command, [...argv, "user", "create", ...user, ...data]);
  const db = new Database(join(directory, "farm.sqlite"));
  try {
    db.pragma("synchronous = OFF");
    db.pragma("cache_size = -400000");
    fill(db);
    db.pragma("wal_checkpoint(TRUNCATE)");
    await makeFiles(directory, db);
    return db
      .prepare(
        `select hash_part from cache_paths where rowid % 50 = 7 and ((rowid - 1) / ${CLOSURE}) % ${OLD_CLOSURE} <> 0`,
      )
      .pluck()
      .all()
      .map(String)
      .slice(0, READ_PATHS);
  } finally {
    db.close();
  }
}

/** Paths that came a hundred days ago, what refers after what is referred to. */
function fill(db: Database.Database): void {
  const old = Date.now() - 100 * DAY_MS;
  // 32 characters of Nix base 32 that tell the number, in no order.
  db.function(
    "hash_of",
    { deterministic: true },
    (n) =>
      `${String((Number(n) * 7_654_321) % 1_000_003).padStart(7, "0")}${String(n).padStart(25, "0")}`,
  );
  const isOld = `(i / ${CLOSURE}) % ${OLD_CLOSURE} = 0`;
  const others = [1, 2, 3].map(
    (n) => `(i - i % ${CLOSURE} + (i * ${n * 31}) % max(1, i % ${CLOSURE}))`,
  );
  const names = ["i - 1", ...others].map((n) => `'"' || hash_of(${n}) || '-package"'`);
  db.exec(`
    create temp table numbers (i integer primary key);
    insert into numbers with recursive counted(i) as (select 0 union all select i + 1 from counted where i < ${PATHS - 1}) select i from counted;
    insert into caches (id, name, display_name, description, active, priority, public, max_storage_gb, managed, created_by, created_at)
      values ('019a0000-0000-7000-8000-000000000001', 'main', 'Main', '', 1, 40, 1, 0, 0, '', 0);
    insert into nar_objects (nar_hash, nar_size, file_hash, file_size, compression, found_hashes_json, created_at)
      select '0' || substr('0000000000000000000' || hash_of(i), -51), 1000, '0' || substr('1111111111111111111' || hash_of(i), -51), 500, 'zstd', '[]', ${old} from numbers;
    insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, signatures_json, created_at, last_fetched_at, fetch_count, nar_size)
      select '019a0000-0000-7000-8000-000000000001', hash_of(i), hash_of(i) || '-package', '0' || substr('0000000000000000000' || hash_of(i), -51),
        case when i % ${CLOSURE} = 0 then '[]' else '[' || ${names.join(" || ',' || ")} || ']' end,
        '["farm-cache:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="]',
        ${old} + i, case when i % ${CLOSURE} = ${CLOSURE - 1} and not ${isOld} then ${old + 99 * DAY_MS} end, 0, 1000
      from numbers;
  `);
}

/** Files of the paths that go. */
async function makeFiles(directory: string, db: Database.Database): Promise<void> {
  const hashes = db
    .prepare(
      `select nar_hash from cache_paths where ((rowid - 1) / ${CLOSURE}) % ${OLD_CLOSURE} = 0`,
    )
    .pluck()
    .all()
    .map(String);
  for (const folder of new Set(hashes.map((hash) => hash.slice(0, 2)))) {
    await mkdir(join(directory, "nar", folder), { recursive: true });
  }
  for (let at = 0; at < hashes.length; at += 100) {
    await Promise.all(
      hashes
        .slice(at, at + 100)
        .map((hash) =>
          writeFile(join(directory, "nar", hash.slice(0, 2), `${hash}.nar.zst`), "some bytes"),
        ),
    );
  }
}

async function start(directory: string): Promise<{ url: string; daemon: Daemon }> {
  const port = await freePort();
  const { command, argv } = commands.coordinator;
  const listen = ["--listen", `127.0.0.1:${port}`, "--rate-limits", "false"];
  const serve = ["serve", "--data-dir", directory, ...listen];
  const daemon = new Daemon("coordinator", command, [...argv, ...serve], process.env);
  await eventually("the coordinator to listen", 30_000, async () => {
    if (daemon.hasExited) throw new Error(daemon.log);
    return (await isListening(port)) ? true : null;
  });
  return { url: `http://127.0.0.1:${port}`, daemon };
}

/** Reads narinfos while `meanwhile` goes on. Resolves to the 99th percentile of the time that one takes, in milliseconds. */
async function reading(
  url: string,
  hashes: readonly string[],
  meanwhile: () => Promise<void>,
): Promise<number> {
  await using agent = closing(new Agent({ connections: CLIENTS }));
  const times: number[] = [];
  let isOver = false;
  const client = async (number: number): Promise<void> => {
    for (let at = number; !isOver; at += CLIENTS) {
      const hash = hashes[(at * 7919) % hashes.length] ?? "";
      const begun = performance.now();
      const path = `/cache/main/${hash}.narinfo`;
      const response = await agent.agent.request({ origin: url, path, method: "GET" });
      await response.body.text();
      times.push(performance.now() - begun);
      if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`);
      // A client does something with what it reads.
      await sleep(2);
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
  await meanwhile();
  isOver = true;
  await Promise.all(clients);
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
}

function closing(agent: Agent): AsyncDisposable & { agent: Agent } {
  return { agent, [Symbol.asyncDispose]: () => agent.close() };
}

interface Task {
  status: string;
  error: string | null;
  removed_paths: number;
  removed_files: number;
  started_at: string;
  finished_at: string;
}

/** Milliseconds from the beginning to the end of a pass. */
async function collect(url: string, token: string): Promise<number> {
  const call = async (method: string, path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${url}/api/v1/admin/${path}`, { method, headers });
    return ((await response.json()) as { message: unknown }).message;
  };
  const { task_id: id } = (await call("POST", "maintenance/deep-gc")) as { task_id: string };
  const task = await eventually("the garbage collection to end", 600_000, async () => {
    const found = (await call("GET", `tasks/${id}`)) as Task;
    return found.status === "completed" || found.status === "failed" ? found : null;
  });
  if (task.error !== null || task.removed_paths !== PATHS / OLD_CLOSURE) {
    throw new Error(`the garbage collection went wrong: ${JSON.stringify(task).slice(0, 300)}`);
  }
  return Date.parse(task.finished_at) - Date.parse(task.started_at);
}
