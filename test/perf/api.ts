import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import Database from "better-sqlite3";
import { execa } from "execa";
import { Agent } from "undici";
import { ApiClient, eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { freePort, isListening } from "../support/ports.ts";
import { commands } from "../support/programs.ts";
import { fillLargeDatabase, type LargeDatabase } from "./large-database.ts";
import { writeLogs } from "./large-logs.ts";
import type { Row } from "./report.ts";

const CLIENTS = 4;
/** For each path, whichever comes first. Of 400 requests one pause, which holds up all four clients, would be the 99th percentile. */
const MAX_REQUESTS = 2000;
const MAX_MS = 3000;
const WARM_UP = 8;
const PASSWORD = "Tr1al-of-light!";

/** GETs of the contract; rows of the database are put in for `{org}`, `{project}` and so on. */
const PAGES: readonly string[] = [
  "health",
  "config",
  "openapi.json",
  "user",
  "user/keys",
  "user/keys/permissions",
  "user/settings",
  "user/sessions",
  "user/audit-log",
  "user/search?q=al",
  "orgs",
  "orgs/public",
  "orgs/available?name=acme",
  "orgs/{org}",
  "orgs/{org}/users",
  "orgs/{org}/roles",
  "orgs/{org}/ssh",
  "orgs/{org}/known-hosts",
  "orgs/{org}/subscribe",
  "orgs/{org}/integrations",
  "orgs/{org}/integrations/summary",
  "orgs/{org}/workers",
  "admin/workers",
  "admin/workers/keys",
  "projects/{org}",
  "projects/{org}/available?name=other",
  "projects/{org}/{project}",
  "projects/{org}/{project}/details",
  "projects/{org}/{project}/badge",
  "projects/{org}/{project}/entry-points",
  "projects/{org}/{project}/evaluations?limit=10",
  "projects/{org}/{project}/triggers",
  "projects/{org}/{project}/actions",
  "evals/{eval}/flake-graph",
  "evals/{eval}",
  "evals/{eval}/messages",
  "evals/{eval}/usage",
  "evals/{eval}/artefacts",
  "evals/{eval}/builds?limit=50",
  "evals/{eval}/builds?limit=50&offset=150",
  "evals/{largeEval}/builds?limit=50",
  "evals/{eval}/closure",
  "evals/{eval}/runtime-closure",
  "builds/direct/recent",
  "builds/{build}",
  "builds/{build}/log",
  "builds/{build}/log/chunks",
  "builds/{build}/graph",
  "builds/{build}/dependencies",
  "builds/{build}/attempts",
  "builds/{build}/downloads",
  "builds/{build}/download-token",
  "builds/{build}/closure",
  "builds/{build}/runtime-closure",
  "caches",
  "caches/public",
  "caches/available?name=other",
  "caches/{cache}",
  "caches/{cache}/key",
  "caches/{cache}/members",
  "caches/{cache}/roles",
  "caches/{cache}/upstreams",
  "caches/{cache}/stats",
  "caches/{cache}/nars",
  "caches/{cache}/nars?sort=nar_size&order=asc",
  "caches/{cache}/nars?package=package-77",
  "caches/{cache}/nars/stats",
  "caches/cache-0/nars/{hash}",
  "caches/cache-0/nars/available?hash={hash}",
  "commits/{commit}",
];

const LARGEST_PAGES: readonly string[] = [
  "orgs?per_page=100",
  "orgs/public?per_page=100",
  "caches?per_page=100",
  "caches/{cache}/nars?per_page=200",
  "projects/{org}/{project}/evaluations",
  "projects/{org}/{project}/metrics",
  "evals/{eval}/builds",
  "evals/{largeEval}",
  "evals/{largeEval}/artefacts",
  "evals/{largeEval}/closure",
  "builds/{largeBuild}/graph",
  "builds/{largeBuild}/closure",
];

/** nixbuild.net's API, at the root. Its lists are over all organizations together. */
const NIXBUILD_PAGES: readonly string[] = [
  "/builds?limit=50",
  "/builds?limit=50&status=build_failed",
  "/builds?limit=50&status=timeout",
  "/builds?limit=50&tags=REPOSITORY:acme/widgets,RUN:7",
  "/builds?limit=50&create_time_from=2026-01-03&create_time_to=2026-01-03T13:30:00Z",
  "/builds?derivation_path=/nix/store/{drv}",
  "/builds/{attempt}",
  "/builds/{attempt}/url",
  "/usage",
  "/usage?from=2026-01-01&to=2026-02-01",
];

const NIXBUILD_LARGEST_PAGES: readonly string[] = [
  "/builds",
  "/builds?limit=1000",
  "/builds?tags=REPOSITORY:acme/widgets&limit=1000",
  "/builds?status=build_failed,timeout&limit=1000",
];

const SUMMARIES: readonly string[] = [
  "/builds/summary?create_time_from=2026-01-01&create_time_to=2026-02-01",
  "/builds/summary?create_time_from=2026-01-01T06:30:00Z&create_time_to=2026-01-31T18:30:00Z",
  "/builds/summary?tags=REPOSITORY:acme/widgets&create_time_from=2026-01-01&create_time_to=2026-02-01",
  "/builds/summary?tags=REPOSITORY:acme/widgets,RUN:7",
  "/builds/summary",
];

/** Cuirass's API, at the root. Its lists are over 502 projects together. */
const CUIRASS_PAGES: readonly string[] = [
  "/api/latestbuilds?nr=50",
  "/api/latestbuilds?nr=50&system=x86_64-linux",
  "/api/latestbuilds?nr=50&status=1",
  "/api/latestbuilds?nr=50&job=job-7.x86_64-linux",
  "/api/latestbuilds?nr=50&jobset={org}.{project}&status=0",
  "/api/latestbuilds?nr=50&evaluation={evaluationNumber}",
  "/api/queue?nr=50",
  "/api/evaluations?nr=50",
  "/api/evaluations?nr=50&spec={org}.{project}",
  "/api/evaluation?id={evaluationNumber}",
  "/api/jobs?evaluation={evaluationNumber}",
  "/api/jobs?evaluation={largeNumber}&names=job-7.x86_64-linux,job-77.x86_64-linux",
  "/build/{projectBuild}",
  "/build/{drv}",
  "/output/{output}",
  "/jobset/{org}.{project}/badge.svg?type=0",
];

const CUIRASS_LARGEST_PAGES: readonly string[] = [
  "/api/latestbuilds?nr=1000",
  "/api/latestbuilds?nr=1000&system=x86_64-linux",
  "/api/latestbuilds?nr=500&status=1",
  "/api/queue?nr=1000",
  "/api/evaluations?nr=1000",
  "/events/rss",
  "/jobsets",
];

const HISTORY =
  "/api/jobs/history?spec=org-0.history&names=job-1.x86_64-linux,job-2.x86_64-linux,job-3.x86_64-linux&nr=100";
const DIFFERENCE = "evals/{largeDifference}/difference";
const ALL_JOBS = "/api/jobs?evaluation={largeNumber}";

/** An evaluation of 10,000 builds in one answer: more than the limit's 200. */
const BEYOND: readonly string[] = ["evals/{largeEval}/builds"];

/**
 * Every GET against a farm that has run for years, by four clients at once: the slowest one of each kind, and by how much the process grew.
 * Clients and server share the machine's cores.
 */
export async function apiRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-api-"));
  try {
    const names = await prepare(directory);
    await using farm = await Server.start(directory);
    await farm.api.login("alice", PASSWORD);
    const before = await farm.residentMegabytes();
    const pages = await measureAll(farm, names, [...PAGES, ...NIXBUILD_PAGES, ...CUIRASS_PAGES]);
    const largest = await measureAll(farm, names, [
      ...LARGEST_PAGES,
      ...NIXBUILD_LARGEST_PAGES,
      ...CUIRASS_LARGEST_PAGES,
    ]);
    const summaries = await measureAll(farm, names, SUMMARIES);
    const beyond = await measureAll(farm, names, BEYOND);
    const history = await measureAlone(farm, names, HISTORY);
    const difference = await measureAlone(farm, names, DIFFERENCE);
    const jobs = await measureAlone(farm, names, ALL_JOBS);
    const grown = (await farm.residentMegabytes()) - before;
    return [
      limit(`p99 of the slowest page of 50: ${pages.path}`, "ms", pages.p99, 20),
      limit(`p99 of the slowest largest page: ${largest.path}`, "ms", largest.p99, 100),
      limit(`p99 of the slowest summary: ${summaries.path}`, "ms", summaries.p99, 50),
      { ...limit(`p99 of ${beyond.path}, 10,000 builds`, "ms", beyond.p99, 0), target: null },
      limit("p99 of the history of 3 jobs over 100 evaluations, one client", "ms", history, 10),
      limit("p99 of comparing two evaluations of 100,000 jobs, one client", "ms", difference, 50),
      { ...limit("p99 of a list of 100,000 jobs, one client", "ms", jobs, 0), target: null },
      limit("growth of the coordinator under that load", "MB", grown, 200),
    ];
  } finally {
    await rm(directory, { recursive: true });
  }
}

function limit(what: string, unit: string, ours: number, target: number): Row {
  return { what, unit, ours, theirs: null, against: "limit", better: "less", target };
}

/** A database of its own with a first user, filled. */
async function prepare(directory: string): Promise<LargeDatabase> {
  const passwordFile = join(directory, "password");
  await writeFile(passwordFile, PASSWORD, { mode: 0o600 });
  const { command, argv } = commands.coordinator;
  const user = ["--username", "alice", "--email", "alice@example.org", "--name", "Alice"];
  const data = ["--data-dir", directory, "--password-file", passwordFile, "--superuser"];
  await execa(command, [...argv, "user", "create", ...user, ...data]);
  const file = join(directory, "farm.sqlite");
  const db = new Database(file);
  const owner = String(db.prepare("select id from users").pluck().get());
  db.close();
  const names = fillLargeDatabase(file, owner);
  await writeLogs(directory, names);
  return names;
}

class Server implements AsyncDisposable {
  readonly api: ApiClient;
  readonly agent = new Agent({ connections: CLIENTS });
  readonly #daemon: Daemon;

  private constructor(daemon: Daemon, url: string) {
    this.#daemon = daemon;
    this.api = new ApiClient(url);
  }

  static async start(directory: string): Promise<Server> {
    const port = await freePort();
    const { command, argv } = commands.coordinator;
    const listen = ["--listen", `127.0.0.1:${port}`, "--rate-limits", "false"];
    const serve = ["serve", "--data-dir", directory, ...listen];
    const daemon = new Daemon("coordinator", command, [...argv, ...serve], process.env);
    await eventually("the coordinator to listen", 30_000, async () => {
      if (daemon.hasExited) throw new Error(daemon.log);
      return (await isListening(port)) ? true : null;
    });
    return new Server(daemon, `http://127.0.0.1:${port}`);
  }

  async residentMegabytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#daemon.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Milliseconds until the last byte of the answer. Paths lie under `/api/v1/` unless they begin with a slash. */
  async timed(path: string): Promise<number> {
    const start = performance.now();
    const response = await this.agent.request({
      origin: this.api.url,
      path: path.startsWith("/") ? path : `/api/v1/${path}`,
      method: "GET",
      headers: { authorization: `Bearer ${this.api.token}` },
    });
    if (response.statusCode !== 200) {
      const text = await response.body.text();
      throw new Error(`GET ${path} answered ${response.statusCode}: ${text.slice(0, 200)}`);
    }
    // Not kept: texts of this process are garbage of this process, and collecting it would hold the other clients up.
    await finished(response.body.resume());
    return performance.now() - start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.close();
    await this.#daemon.stop();
  }
}

interface Slowest {
  path: string;
  p99: number;
}

async function measureAll(
  farm: Server,
  names: LargeDatabase,
  paths: readonly string[],
): Promise<Slowest> {
  const all: Slowest[] = [];
  for (const path of paths) all.push(await measure(farm, names, path));
  all.sort((a, b) => b.p99 - a.p99);
  const lines = all.map(({ path, p99 }) => `  ${p99.toFixed(2).padStart(8)} ms  GET ${path}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  const [slowest] = all;
  if (slowest === undefined) throw new Error("nothing was measured");
  return slowest;
}

async function measureAlone(farm: Server, names: LargeDatabase, path: string): Promise<number> {
  const { p99 } = await measure(farm, names, path, 1);
  process.stdout.write(`  ${p99.toFixed(2).padStart(8)} ms  GET ${path}, one client\n`);
  return p99;
}

async function measure(
  farm: Server,
  names: LargeDatabase,
  path: string,
  clients: number = CLIENTS,
): Promise<Slowest> {
  const times: number[] = [];
  for (let at = 0; at < WARM_UP; at += 1) await farm.timed(filled(path, names, at));
  const deadline = performance.now() + MAX_MS;
  const client = async (number: number): Promise<void> => {
    for (let at = number; at < MAX_REQUESTS && performance.now() < deadline; at += clients) {
      times.push(await farm.timed(filled(path, names, at)));
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  times.sort((a, b) => a - b);
  return { path, p99: times[Math.floor(times.length * 0.99)] ?? Number.NaN };
}

function filled(path: string, names: LargeDatabase, at: number): string {
  const pick = (list: readonly string[]): string => list[(at * 7) % list.length] ?? "";
  return path
    .replace("{org}", pick(names.organizations))
    .replace("{project}", pick(names.projects))
    .replace("{cache}", pick(names.caches))
    .replace("{eval}", pick(names.evaluations))
    .replace("{largeEval}", names.largeEvaluation)
    .replace("{build}", pick(names.builds))
    .replace("{largeBuild}", names.largeBuild)
    .replace("{commit}", pick(names.commits))
    .replace("{hash}", pick(names.pathHashes))
    .replace("{attempt}", pick(names.attempts))
    .replace("{drv}", pick(names.drvPaths))
    .replace("{projectBuild}", pick(names.projectBuilds))
    .replace("{evaluationNumber}", pick(names.evaluationNumbers))
    .replace("{output}", pick(names.outputs))
    .replace("{largeDifference}", names.largeDifference.id)
    .replace("{largeNumber}", names.largeDifference.number);
}
