import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { ApiClient, eventually, type EvaluationView } from "./api-client.ts";
import { Daemon } from "./daemon.ts";
import { addSeed } from "./expressions.ts";
import { GitServer } from "./git-server.ts";
import { NixRoot } from "./nix-root.ts";
import { freePort, isListening } from "./ports.ts";
import { processesNaming } from "./processes.ts";
import { commands, makeSampleRepository } from "./programs.ts";

export interface FarmOptions {
  /** Where everything lies; a new temporary directory when not given, removed at the end. */
  directory?: string;
  port?: number;
  leaseSeconds?: number;
  /** What the coordinator gets beside this process's environment. */
  env?: Readonly<Record<string, string>>;
}

export interface WorkerOptions {
  flags?: readonly string[];
  /** Replaces the token that registration gave. */
  token?: string;
  /** Further lines of the worker's nix.conf. */
  settings?: readonly string[];
  /** Port that the worker dials; the coordinator's when not given. */
  port?: number;
}

/** A coordinator in a process of its own, with one organization, one public cache and a Git server. */
export class TestFarm implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  readonly api: ApiClient;
  readonly git: GitServer;
  readonly workers: TestWorker[] = [];
  /** Alice's. */
  readonly password = "Tr1al-of-light!";
  coordinator: Daemon;
  private readonly options: FarmOptions;

  private constructor(directory: string, port: number, git: GitServer, options: FarmOptions) {
    this.directory = directory;
    this.port = port;
    this.git = git;
    this.options = options;
    this.api = new ApiClient(`http://127.0.0.1:${port}`);
    this.coordinator = this.spawnCoordinator();
  }

  static async start(options: FarmOptions = {}): Promise<TestFarm> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "gradient-farm-")));
    const git = await GitServer.start(join(directory, "git"));
    const farm = new TestFarm(directory, options.port ?? (await freePort()), git, options);
    try {
      await farm.listening();
      await farm.setUp();
      return farm;
    } catch (error) {
      await farm[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return this.api.url;
  }

  get dataDir(): string {
    return join(this.directory, "coordinator");
  }

  private spawnCoordinator(): Daemon {
    const { command, argv } = commands.coordinator;
    const lease =
      this.options.leaseSeconds === undefined
        ? []
        : ["--lease-seconds", String(this.options.leaseSeconds)];
    const serve = [
      "serve",
      "--data-dir",
      this.dataDir,
      "--listen",
      `127.0.0.1:${this.port}`,
      "--serve-url",
      `http://127.0.0.1:${this.port}`,
      "--rate-limits",
      "false",
      ...lease,
    ];
    const env = { ...process.env, ...this.options.env };
    return new Daemon("gradient-coordinator", command, [...argv, ...serve], env);
  }

  private async listening(): Promise<void> {
    await eventually("the coordinator to listen", 30_000, async () => {
      if (this.coordinator.hasExited)
        throw new Error(`the coordinator ended:\n${this.coordinator.log}`);
      return (await isListening(this.port)) ? true : null;
    });
  }

  private async setUp(): Promise<void> {
    const file = join(this.directory, "password");
    await writeFile(file, this.password, { mode: 0o600 });
    const { command, argv } = commands.coordinator;
    const create = [
      "user",
      "create",
      "--data-dir",
      this.dataDir,
      "--username",
      "alice",
      "--email",
      "alice@example.org",
      "--name",
      "Alice",
      "--password-file",
      file,
      "--superuser",
    ];
    await execa(command, [...argv, ...create]);
    await this.api.login("alice", this.password);
    await this.api.call("PUT", "/orgs", { name: "acme", display_name: "Acme", description: "" });
    await this.api.call("PUT", "/caches", {
      name: "main",
      display_name: "Main",
      description: "",
      priority: 40,
      public: true,
    });
    await this.api.call("POST", "/orgs/acme/subscribe/main");
  }

  /** The cache as `nix` needs to know it. */
  async cache(): Promise<{ url: string; publicKey: string }> {
    return {
      url: `${this.url}/cache/main`,
      publicKey: await this.api.call<string>("GET", "/caches/main/key"),
    };
  }

  async killCoordinator(): Promise<void> {
    await this.coordinator.kill();
  }

  async restartCoordinator(): Promise<void> {
    await this.coordinator.kill();
    this.coordinator = this.spawnCoordinator();
    await this.listening();
  }

  /** Registers a worker and starts it with a store of its own. `token` replaces the one that registration gave. */
  async addWorker(name: string, options: WorkerOptions = {}): Promise<TestWorker> {
    const worker = await TestWorker.make(this, name, options);
    this.workers.push(worker);
    worker.start();
    return worker;
  }

  /** Makes a repository of the sample and a project that evaluates it. Resolves to the project's name. */
  async addSampleProject(name: string, wildcard: string, salt: string): Promise<string> {
    await makeSampleRepository({ directory: join(this.directory, "git", name), salt });
    return this.addProject(name, wildcard);
  }

  /** Makes a repository of files and a project that evaluates it. */
  async addFilesProject(
    name: string,
    wildcard: string,
    files: Record<string, string>,
  ): Promise<string> {
    await this.addFilesRepository(name, files);
    return this.addProject(name, wildcard);
  }

  /** Makes a repository of files, with the shell that builds run in. Resolves to its URL. */
  async addFilesRepository(name: string, files: Record<string, string>): Promise<string> {
    await addSeed(this, name);
    const directory = join(this.directory, "git", name);
    await mkdir(directory, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(directory, path, ".."), { recursive: true });
      await writeFile(join(directory, path), text);
    }
    const git = (...argv: string[]) =>
      execa("git", [
        "-C",
        directory,
        "-c",
        "user.name=Alice",
        "-c",
        "user.email=alice@example.org",
        ...argv,
      ]);
    await git("init", "--quiet", "--initial-branch=main");
    await git("add", "--all");
    await git("commit", "--quiet", "--message=First");
    // As a forge keeps it: what lies loose is packed anew for each fetch.
    await git("repack", "-a", "-d", "--quiet");
    return this.git.url(name);
  }

  private async addProject(name: string, wildcard: string): Promise<string> {
    await this.api.call("PUT", "/projects/acme", {
      name,
      display_name: name,
      description: "",
      repository: this.git.url(name),
      wildcard,
    });
    return name;
  }

  evaluate(project: string): Promise<string> {
    return this.api.call<string>("POST", `/projects/acme/${project}/evaluate`);
  }

  /** Waits until the evaluation has ended; when it does not, says what the daemons said. */
  async ended(evaluation: string, timeoutMs: number): Promise<EvaluationView> {
    try {
      return await this.api.ended(evaluation, timeoutMs);
    } catch (cause) {
      throw new Error(`evaluation ${evaluation} did not end\n${this.logs()}`, { cause });
    }
  }

  /** Everything that the daemons said, for a failing test. */
  logs(): string {
    const parts = [this.coordinator, ...this.workers.map((worker) => worker.daemon)];
    return parts
      .map((daemon) => (daemon === null ? "" : `--- ${daemon.name}\n${daemon.log}`))
      .join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.coordinator.stop();
    await this.git[Symbol.asyncDispose]();
    await Promise.all(this.workers.map((worker) => worker.root.remove()));
    if (this.options.directory === undefined)
      await rm(this.directory, { recursive: true, force: true });
  }
}

/** A worker in a process of its own, with a private Nix store. */
export class TestWorker {
  readonly name: string;
  readonly id: string;
  readonly stateDir: string;
  readonly root: NixRoot;
  daemon: Daemon | null = null;
  private readonly argv: readonly string[];

  private constructor(
    name: string,
    id: string,
    stateDir: string,
    root: NixRoot,
    argv: readonly string[],
  ) {
    this.name = name;
    this.id = id;
    this.stateDir = stateDir;
    this.root = root;
    this.argv = argv;
  }

  static async make(farm: TestFarm, name: string, options: WorkerOptions): Promise<TestWorker> {
    const stateDir = join(farm.directory, name);
    const root = await NixRoot.make(join(farm.directory, `${name}-store`), options.settings);
    const { command, argv } = commands.worker;
    const { stdout } = await execa(command, [...argv, "id", "--state-dir", stateDir]);
    const id = stdout.trim();
    const registered = await farm.api.call<{ peer_id: string; token: string }>(
      "POST",
      "/orgs/acme/workers",
      { worker_id: id, display_name: name },
    );
    const peersFile = join(stateDir, "peers");
    await writeFile(peersFile, `${registered.peer_id}:${options.token ?? registered.token}\n`, {
      mode: 0o600,
    });
    const run = [
      "run",
      "--server",
      `ws://127.0.0.1:${options.port ?? farm.port}/proto`,
      "--peers-file",
      peersFile,
      "--state-dir",
      stateDir,
      "--store",
      `local?root=${root.directory}`,
    ];
    return new TestWorker(name, id, stateDir, root, [
      ...run,
      ...(options.flags ?? ["--max-concurrent-builds", "2"]),
    ]);
  }

  start(): void {
    const { command, argv } = commands.worker;
    this.daemon = new Daemon(
      `gradient-worker ${this.name}`,
      command,
      [...argv, ...this.argv],
      this.root.env,
    );
  }

  /** Ends the daemon as a crash would. What it builds goes on. */
  async kill(): Promise<void> {
    await this.daemon?.kill();
  }

  /** Pids of the processes that hold this worker's builds. */
  runners(): Promise<number[]> {
    return processesNaming(join(this.stateDir, "runners"));
  }

  /** Registers the running worker with another organization and adds the token to its peers file. */
  async join(farm: TestFarm, organization: string): Promise<void> {
    const { peer_id, token } = await farm.api.call<{ peer_id: string; token: string }>(
      "POST",
      `/orgs/${organization}/workers`,
      { worker_id: this.id, display_name: this.name },
    );
    await appendFile(join(this.stateDir, "peers"), `${peer_id}:${token}\n`);
    await eventually(`${this.name} to join ${organization}`, 30_000, async () => {
      const [worker] = await farm.api.call<{ live: unknown }[]>(
        "GET",
        `/orgs/${organization}/workers`,
      );
      return worker?.live ? true : null;
    });
  }

  /** Ends the daemon politely, and what a killed one left. */
  async stop(): Promise<void> {
    await this.daemon?.stop();
    for (const pid of await this.runners()) process.kill(pid, "SIGTERM");
    await eventually(`the builds of ${this.name} to end`, 15_000, async () =>
      (await this.runners()).length === 0 ? true : null,
    );
  }

  get log(): string {
    return this.daemon?.log ?? "";
  }
}

/** 48 random bytes in base64: a well-formed token that nobody knows. */
export function randomToken(): string {
  return randomBytes(48).toString("base64");
}
