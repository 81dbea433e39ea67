import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import {
  ApiClient,
  ApiError,
  eventually,
  hasEnded,
  type BuildView,
} from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { GitServer } from "../support/git-server.ts";
import { NixRoot, substituterOptions } from "../support/nix-root.ts";
import { freePort, isListening } from "../support/ports.ts";
import { commands, makeSampleRepository, root } from "../support/programs.ts";
import { reasonIn } from "./reason.ts";
import { mebibytes, seconds, Steps, table } from "./steps.ts";

/** What `npm start` shows: one commit from a Git repository to a substituted store path, on this machine, with nothing prepared. */

const PREFERRED_PORT = 3000;
const ORGANIZATION = "demo";
const CACHE = "demo";
const PROJECT = "sample";

interface Login {
  username: string;
  password: string;
}

interface Running {
  api: ApiClient;
  coordinator: Daemon;
  worker: Daemon;
  git: GitServer;
}

/** The demonstration cannot begin, for a reason that people can do something about. */
class StartError extends Error {
  override name = "StartError";
}

function notStarted(program: string, daemon: Daemon): StartError {
  return new StartError(`the ${program} did not start: ${reasonIn(daemon.log)}`);
}

const steps = new Steps();
const home = join(root, ".farm");

async function readLogin(): Promise<Login | null> {
  const text = await readFile(join(home, "login.json"), "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as Login);
}

/** Whole or not at all, and only for its owner to read. */
async function writeSecret(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Name and password of the first user. They are written down before the user is made, so that no start can end in between. */
async function chooseLogin(): Promise<Login> {
  const known = await readLogin();
  if (known !== null) return known;
  const login = { username: "demo", password: `Fl-${randomBytes(9).toString("base64url")}-7!x` };
  await writeSecret(join(home, "login.json"), JSON.stringify(login));
  return login;
}

/** Logs in as the first user, which is made when it is not there. */
async function logIn(api: ApiClient, dataDir: string): Promise<Login> {
  const login = await chooseLogin();
  const isKnown = await api.login(login.username, login.password).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ApiError && error.status === 401) return false;
      throw error;
    },
  );
  if (isKnown) return login;
  await makeUser(dataDir, login);
  await api.login(login.username, login.password);
  return login;
}

async function makeUser(dataDir: string, { username, password }: Login): Promise<void> {
  const file = join(home, "password");
  await writeSecret(file, password);
  const { command, argv } = commands.coordinator;
  const user = [
    "--username",
    username,
    "--email",
    "demo@example.org",
    "--name",
    "Demo",
    "--password-file",
    file,
    "--superuser",
  ];
  const made = await execa(command, [...argv, "user", "create", "--data-dir", dataDir, ...user], {
    reject: false,
  });
  await rm(file);
  if (made.exitCode === 0) return;
  throw new StartError(
    `user ${username} cannot be made: ${reasonIn(made.stderr)}. Remove ${home} to begin anew.`,
  );
}

async function startCoordinator(port: number): Promise<Daemon> {
  const { command, argv } = commands.coordinator;
  const url = `http://127.0.0.1:${port}`;
  const serve = [
    "serve",
    "--data-dir",
    join(home, "coordinator"),
    "--listen",
    `127.0.0.1:${port}`,
    "--serve-url",
    url,
    // What follows asks for news many times a second, from one address.
    "--rate-limits",
    "false",
  ];
  const daemon = new Daemon("gradient-coordinator", command, [...argv, ...serve], process.env);
  await eventually("the coordinator to listen", 30_000, async () => {
    if (daemon.hasExited) throw notStarted("coordinator", daemon);
    return (await isListening(port)) ? true : null;
  });
  return daemon;
}

/** Makes an object of the API unless an earlier start made it. */
async function ensure(api: ApiClient, path: string, make: () => Promise<unknown>): Promise<void> {
  const exists = await api.call("GET", path).then(
    () => true,
    () => false,
  );
  if (!exists) await make();
}

async function setUpFarm(api: ApiClient): Promise<void> {
  await ensure(api, `/orgs/${ORGANIZATION}`, () =>
    api.call("PUT", "/orgs", {
      name: ORGANIZATION,
      display_name: "Demonstration",
      description: "",
      public: true,
    }),
  );
  await ensure(api, `/caches/${CACHE}`, () =>
    api.call("PUT", "/caches", {
      name: CACHE,
      display_name: "Demonstration",
      description: "",
      priority: 40,
      public: true,
    }),
  );
  await api.call("POST", `/orgs/${ORGANIZATION}/subscribe/${CACHE}`).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.code !== "already_exists") throw error;
  });
}

/** Registers this machine's worker and writes its peers file, once. A token that was not written down is lost: there is a new one then. */
async function registerWorker(api: ApiClient, stateDir: string): Promise<string> {
  const { command, argv } = commands.worker;
  const { stdout } = await execa(command, [...argv, "id", "--state-dir", stateDir]);
  const worker = stdout.trim();
  const registered = await api.call<{ worker_id: string }[]>(
    "GET",
    `/orgs/${ORGANIZATION}/workers`,
  );
  const peersFile = join(stateDir, "peers");
  if (registered.some((row) => row.worker_id === worker)) {
    if (existsSync(peersFile)) return worker;
    await api.call("DELETE", `/orgs/${ORGANIZATION}/workers/${worker}`);
  }
  const body = { worker_id: worker, display_name: "this machine" };
  const { peer_id, token } = await api.call<{ peer_id: string; token: string }>(
    "POST",
    `/orgs/${ORGANIZATION}/workers`,
    body,
  );
  await writeSecret(peersFile, `${peer_id}:${token}\n`);
  return worker;
}

async function startWorker(api: ApiClient, port: number): Promise<Daemon> {
  const stateDir = join(home, "worker");
  await registerWorker(api, stateDir);
  const { command, argv } = commands.worker;
  const run = [
    "run",
    "--server",
    `ws://127.0.0.1:${port}/proto`,
    "--peers-file",
    join(stateDir, "peers"),
    "--state-dir",
    stateDir,
  ];
  const daemon = new Daemon("gradient-worker", command, [...argv, ...run], process.env);
  await eventually("the worker to connect", 60_000, async () => {
    if (daemon.hasExited) throw notStarted("worker", daemon);
    const [row] = await api.call<{ live: unknown }[]>("GET", `/orgs/${ORGANIZATION}/workers`);
    return row?.live ? true : null;
  });
  return daemon;
}

/** Adds to `stops` how to end each thing that it has started, also when it fails on the way. */
async function startFarm(stops: (() => Promise<void>)[]): Promise<Running & { login: Login }> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const port = (await isListening(PREFERRED_PORT)) ? await freePort() : PREFERRED_PORT;
  const coordinator = await startCoordinator(port);
  stops.push(() => coordinator.stop());
  const api = new ApiClient(`http://127.0.0.1:${port}`);
  const login = await logIn(api, join(home, "coordinator"));
  steps.done(`coordinator listens on ${api.url}`);
  steps.done(`first user: ${login.username}, password ${login.password}`);
  await setUpFarm(api);
  const worker = await startWorker(api, port);
  stops.push(() => worker.stop());
  steps.done("worker connected");
  const git = await GitServer.start(join(home, "git"));
  stops.push(() => git[Symbol.asyncDispose]());
  return { api, coordinator, worker, git, login };
}

async function makeProject(running: Running): Promise<void> {
  const { api, git } = running;
  await rm(join(home, "git", PROJECT), { recursive: true, force: true });
  const { commit } = await makeSampleRepository({
    directory: join(home, "git", PROJECT),
    salt: randomBytes(6).toString("hex"),
  });
  const repository = git.url(PROJECT);
  steps.done(`sample repository ${repository} at ${commit.slice(0, 12)}`);
  const fields = {
    name: PROJECT,
    display_name: "Sample",
    description: "",
    repository,
    wildcard: "*",
  };
  await ensure(api, `/projects/${ORGANIZATION}/${PROJECT}`, () =>
    api.call("PUT", `/projects/${ORGANIZATION}`, fields),
  );
  await abortActive(api);
  await api.call("PATCH", `/projects/${ORGANIZATION}/${PROJECT}`, { repository });
}

/** Ends what an earlier start left in the middle: its Git server is gone. */
async function abortActive(api: ApiClient): Promise<void> {
  const project = `/projects/${ORGANIZATION}/${PROJECT}`;
  const { last_evaluation } = await api.call<{ last_evaluation: string | null }>("GET", project);
  if (last_evaluation === null || hasEnded(await api.evaluation(last_evaluation))) return;
  await api.call("POST", `/evals/${last_evaluation}`, { method: "abort" });
}

function buildName(drvPath: string): string {
  return drvPath.slice(33).replace(/\.drv$/, "");
}

/** Evaluates the project and prints each change of state as it happens. Resolves to its builds. */
async function evaluateAndWatch(api: ApiClient): Promise<BuildView[]> {
  const id = await api.call<string>("POST", `/projects/${ORGANIZATION}/${PROJECT}/evaluate`);
  steps.done(`evaluation ${id} queued`);
  const shown = new Map<string, string>();
  const show = (key: string, state: string, text: string) => {
    if (shown.get(key) === state) return;
    shown.set(key, state);
    steps.done(text);
  };
  await eventually(`evaluation ${id} to end`, 600_000, async () => {
    const view = await api.evaluation(id);
    for (const build of await api.builds(id)) {
      if (build.status !== "Queued" && build.status !== "Created")
        show(build.id, build.status, `  ${build.status.padEnd(16)} ${buildName(build.name)}`);
    }
    show(
      "evaluation",
      view.status,
      `evaluation ${view.status}${view.waiting_reason === undefined ? "" : `: ${view.waiting_reason.kind}`}`,
    );
    return hasEnded(view) ? true : null;
  });
  return Promise.all((await api.builds(id)).map((build) => api.build(build.id)));
}

function cpuMs(build: BuildView): number | null {
  const { cpuUserMs, cpuSystemMs } = build.usage ?? { cpuUserMs: null, cpuSystemMs: null };
  return cpuUserMs === null && cpuSystemMs === null ? null : (cpuUserMs ?? 0) + (cpuSystemMs ?? 0);
}

function showBuilds(builds: readonly BuildView[]): void {
  const rows = builds
    .toSorted((a, b) => (a.attempt ?? Infinity) - (b.attempt ?? Infinity))
    .map((build) => [
      buildName(build.derivation_path),
      build.status,
      seconds(build.usage?.wallMs ?? null),
      seconds(cpuMs(build)),
      mebibytes(build.usage?.memoryPeakBytes ?? null),
      build.usage === null ? "-" : `${build.usage.cpuQuality}, ${build.usage.source}`,
    ]);
  steps.plain(`\n${table(["derivation", "status", "wall", "CPU", "memory", "measured"], rows)}\n`);
}

/** Fetches a path from the cache into a store with another root, as a user on another machine would. */
async function substitute(api: ApiClient, build: BuildView): Promise<void> {
  const [name] = Object.values(build.output);
  if (name === undefined) throw new Error(`${build.derivation_path} has no output`);
  const path = `/nix/store/${name.replace("/nix/store/", "")}`;
  const cache = {
    url: `${api.url}/cache/${CACHE}`,
    publicKey: await api.call<string>("GET", `/caches/${CACHE}/key`),
  };
  const second = await NixRoot.make(join(home, "second-store"));
  await second.substitute(path, cache);
  steps.done(`a second store (${second.directory}) fetched it from the cache, signatures required`);
  const usage = build.usage;
  const command = [
    `NIX_REMOTE='local?root=${second.directory}'`,
    "nix-store",
    "--realise",
    path,
    ...substituterOptions(cache).map(quote),
  ];
  steps.plain(`
  built       ${path}
  CPU         ${seconds(cpuMs(build))}
  memory      ${mebibytes(usage?.memoryPeakBytes ?? null)}
  substitute  ${command.join(" ")}
`);
}

function quote(text: string): string {
  return /^[\w./:=+-]+$/.test(text) ? text : `'${text}'`;
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const stops: (() => Promise<void>)[] = [];
  try {
    const running = await startFarm(stops);
    await makeProject(running);
    const builds = await evaluateAndWatch(running.api);
    showBuilds(builds);
    const shown = builds.find(
      (build) => buildName(build.derivation_path) === "burn-cpu" && build.status === "Completed",
    );
    if (shown === undefined)
      throw new Error(`burn-cpu was not built\n${running.coordinator.log}\n${running.worker.log}`);
    await substitute(running.api, shown);
    steps.plain("One sample fails on purpose, so the evaluation as a whole ended Failed.");
    steps.plain(
      `The farm stays up on ${running.api.url}: open it in a browser and sign in. Stop it with Ctrl-C.`,
    );
    if (!stop.signal.aborted)
      await new Promise((resolve) =>
        stop.signal.addEventListener("abort", resolve, { once: true }),
      );
  } finally {
    steps.plain("Stopping.");
    for (const end of stops.reverse()) await end();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
