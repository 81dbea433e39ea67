import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAccountServices } from "../accounts/account-services.ts";
import { Authority } from "../auth/authority.ts";
import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import { openMaintenance } from "../collection/open-maintenance.ts";
import { PromisedPaths } from "../collection/promised-paths.ts";
import { CacheDocuments } from "../caches/cache-documents.ts";
import { CacheRoom } from "../caches/cache-room.ts";
import { loadConfig } from "../config/load-config.ts";
import { LastUse } from "../db/last-use.ts";
import { openPlannedDatabase } from "../db/planned-database.test-support.ts";
import { StoredCacheSigner } from "../keys/cache-signer.ts";
import { MasterKey } from "../keys/master-key.ts";
import { createLogger, type Logger } from "../logger.ts";
import type { FarmFigures, LiveWorker, Logs } from "../ports.ts";
import type { MissingMemory } from "../scheduler/choose-worker.ts";
import { openMetrics } from "../telemetry/open-metrics.ts";
import type { Resolve } from "../outbound/connector.ts";
import { OutboundClient } from "../outbound/outbound-client.ts";
import { Resources } from "../resources.ts";
import { BYTES_PER_GB } from "../rules/storage.ts";
import { AnswerCheck } from "../testing/answer-check.ts";
import { registerUser } from "../accounts/register-user.ts";
import { logIn } from "../accounts/log-in.ts";
import { openSourceUploads } from "../sources/source-uploads.ts";
import { NarFiles } from "../storage/nar-files.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { SourceFiles } from "../storage/source-files.ts";
import { StagedFiles } from "../storage/staged-files.ts";
import type { ManualStart, Repositories, TriggeredStart } from "../ports.ts";
import type { Services } from "./api.ts";
import { openFrontServices } from "./front-services.ts";
import { listen } from "./listen.ts";
import { createHttpServer } from "./server.ts";
import { testContent, testIntake } from "./test-content.test-support.ts";
import { HttpShutdown } from "./shutdown.ts";
import { sourcesWithoutFarm } from "./sources.test-support.ts";

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Body as JSON; undefined when it is none. */
  json: { error?: boolean; code?: string; message?: unknown } | undefined;
  /** `message` of the envelope, for assertions on its fields. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests assert on whatever came back
  message: any;
}

export interface Call {
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

/** What the farm's features were asked to do. */
export interface FarmCalls {
  started: ManualStart[];
  triggered: TriggeredStart[];
  restarted: string[];
  approved: { id: string; by: string }[];
  closedPullRequests: { projectId: string; pullRequest: number }[];
  aborted: string[];
  cachesChanged: string[];
  /** How often. */
  keysChanged: number;
  registrationsChanged: string[];
  keyChanged: string[];
  /** What attempts wait for. */
  missingMemory: Map<number, MissingMemory>;
  /** Repositories whose head was asked for. */
  heads: Parameters<Repositories["head"]>[0][];
}

/** What every repository's head is, unless a test plays something else. */
export const HEAD = "c0ffee".padEnd(40, "0");
export const PASSWORD = "Correct-Horse7";

/** Who made what a test arranges. */
const NOBODY = { userId: null, apiKeyId: null, ip: null, userAgent: null };

/** The whole HTTP side on a real socket, a real database and a temporary directory; only the farm's features are played. */
export class TestServer implements AsyncDisposable {
  readonly url: string;
  readonly services: Services;
  readonly calls: FarmCalls;
  /** Workers that count as connected. */
  readonly live: LiveWorker[];
  readonly dataDir: string;
  readonly nars: NarFiles;
  readonly #resources: Resources;
  readonly #describe: () => object;
  #answers: AnswerCheck | null = null;

  constructor(
    parts: Pick<TestServer, "url" | "services" | "calls" | "live" | "dataDir" | "nars">,
    resources: Resources,
    describe: () => object,
  ) {
    this.url = parts.url;
    this.services = parts.services;
    this.calls = parts.calls;
    this.live = parts.live;
    this.dataDir = parts.dataDir;
    this.nars = parts.nars;
    this.#resources = resources;
    this.#describe = describe;
  }

  /**
   * One request; paths that start with `/` are taken as they are, others lie under the API. Throws when an answer of the API is not what the
   * OpenAPI document says.
   */
  async call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const url = path.startsWith("/") ? this.url + path : `${this.url}/api/v1/${path}`;
    const headers: Record<string, string> = { ...call.headers };
    if (call.token !== undefined) headers["authorization"] = `Bearer ${call.token}`;
    if (call.body !== undefined) headers["content-type"] ??= "application/json";
    const response = await fetch(url, {
      method,
      headers,
      redirect: "manual",
      ...(call.body === undefined
        ? {}
        : { body: typeof call.body === "string" ? call.body : JSON.stringify(call.body) }),
    });
    const text = await response.text();
    this.#check(method, new URL(url), response, text);
    const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    const json = isJson ? parse(text) : undefined;
    return {
      status: response.status,
      headers: response.headers,
      text,
      json,
      message: json?.message,
    };
  }

  #check(method: string, url: URL, response: Response, text: string): void {
    if (!url.pathname.startsWith("/api/v1/")) return;
    this.#answers ??= new AnswerCheck(this.#describe());
    this.#answers.check({
      method,
      path: url.pathname,
      status: response.status,
      contentType: response.headers.get("content-type"),
      text,
    });
  }

  get(path: string, token?: string): Promise<Answer> {
    return this.call("GET", path, { token });
  }

  post(path: string, token?: string, body?: unknown): Promise<Answer> {
    return this.call("POST", path, { token, body });
  }

  put(path: string, token?: string, body?: unknown): Promise<Answer> {
    return this.call("PUT", path, { token, body });
  }

  patch(path: string, token?: string, body?: unknown): Promise<Answer> {
    return this.call("PATCH", path, { token, body });
  }

  delete(path: string, token?: string, body?: unknown): Promise<Answer> {
    return this.call("DELETE", path, { token, body });
  }

  /** Makes a user and returns the token of a session. */
  async user(username: string, isSuperuser = false): Promise<string> {
    const { database, clock } = this.services;
    const registration = {
      username,
      name: `User ${username}`,
      email: `${username}@example.com`,
      password: PASSWORD,
      isSuperuser,
      verification: null,
      actor: NOBODY,
    };
    await registerUser(database, registration, clock.now());
    return logIn(
      this.services,
      { login: username, password: PASSWORD, isRemembered: false, actor: NOBODY },
      clock.now(),
    );
  }

  /** Makes an API key of the token's owner. */
  async key(token: string, request: Record<string, unknown>): Promise<string> {
    const answer = await this.post("user/keys", token, {
      name: `key-${Math.random()}`,
      ...request,
    });
    if (answer.status !== 200) throw new Error(`no key: ${answer.text}`);
    return String(answer.message);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources[Symbol.asyncDispose]();
  }
}

function parse(text: string): Answer["json"] {
  return text === "" ? undefined : (JSON.parse(text) as Answer["json"]);
}

export interface TestServerOptions {
  env?: Record<string, string>;
  clock?: Clock;
  logs?: Logs;
  logger?: Logger;
  /** Where NARs are kept in place of the data directory. */
  storage?: (dataDir: string) => Promise<NarStorage>;
}

/** Tests ask nobody outside, as the upstream that every cache begins with. */
const noNames: Resolve = (name, callback) => callback(new Error(`tests ask nobody: ${name}`), []);

const noLogs: Logs = {
  text: async function* () {},
  size: () => Promise.resolve(0),
  follow: async function* () {},
};

export async function openTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const resources = new Resources();
  const dataDir = await mkdtemp(join(tmpdir(), "coordinator-"));
  resources.use({ [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true }) });
  // One address makes all the requests of a test.
  const env = { GRADIENT_RATE_LIMITS: "false", ...options.env };
  const config = loadConfig({ flags: { dataDir }, env, file: null });
  const database = resources.use(await openPlannedDatabase(join(dataDir, "farm.sqlite")));
  const clock = options.clock ?? systemClock;
  const masterKey = new MasterKey(Buffer.alloc(32, 7));
  const lastUse = resources.use(
    new LastUse({
      database,
      now: () => clock.now(),
      onError: (error) => {
        throw error;
      },
    }),
  );
  const jwtSecret = Buffer.alloc(32, 9);
  const logger = options.logger ?? createLogger("silent");
  const signer = new StoredCacheSigner(database, masterKey);
  const nars = resources.use(await NarFiles.open(dataDir));
  const files =
    options.storage === undefined ? nars : resources.use(await options.storage(dataDir));
  const intake = testIntake({ database, clock, files });
  const maintenance = resources.use(
    openMaintenance({
      config,
      database,
      clock,
      logger,
      files,
      intake,
      promised: new PromisedPaths(clock),
      restoring: null,
    }),
  );
  const outbound = resources.use(
    new OutboundClient({ allowedRanges: config.allowPrivateAddresses, resolve: noNames }),
  );
  const stores = { database, nars: files };
  const front = openFrontServices({ config, clock, lastUse, outbound, logger, ...stores });
  const calls: FarmCalls = {
    started: [],
    triggered: [],
    restarted: [],
    approved: [],
    closedPullRequests: [],
    aborted: [],
    cachesChanged: [],
    keysChanged: 0,
    registrationsChanged: [],
    keyChanged: [],
    missingMemory: new Map(),
    heads: [],
  };
  const live: LiveWorker[] = [];
  const sourceFiles = await SourceFiles.open(dataDir);
  const staged = await StagedFiles.open(join(dataDir, "uploads"));
  const room = new CacheRoom({
    database,
    staged,
    maxFileBytes: config.maxNarUploadSize,
    maxStorageBytes: config.maxStorageGb * BYTES_PER_GB,
    onFull: (cacheId, bytes) => void maintenance.makeRoom(cacheId, bytes),
  });
  const stopping = new AbortController();
  const serveUrl = config.serveUrl ?? "https://farm.example:8443";
  const now = () => clock.now();
  const services: Services = {
    metrics: await openMetrics({ config, database, lastUse, farm: playedFigures }),
    ...(await openAccountServices({ config, serveUrl, jwtSecret, database, lastUse, logger, now })),
    config,
    serveUrl,
    version: "1.2.3",
    database,
    clock,
    logger,
    authority: new Authority(database.kysely),
    masterKey,
    signer,
    lastUse,
    outbound,
    ...front,
    ...playedFarm(calls, live),
    logs: options.logs ?? noLogs,
    nars: files,
    maintenance,
    setDraining: () => Promise.resolve(),
    documents: new CacheDocuments({ database, clock, room }),
    content: testContent({
      config,
      database,
      clock,
      files,
      intake,
      signer,
      elsewhere: front.upstreams,
      staged,
      room,
    }),
    sources: sourcesWithoutFarm({ database, files, signer, clock }),
    sourceFiles,
    sourceUploads: openSourceUploads(sourceFiles.uploads, config.maxSourceUploadSize),
    stopping: stopping.signal,
  };
  const app = await createHttpServer(services, () => Promise.resolve());
  resources.use(
    new HttpShutdown(app, stopping, { [Symbol.asyncDispose]: () => Promise.resolve() }),
  );
  const url = await listen(app, { host: "127.0.0.1", port: 0 });
  return new TestServer({ url, services, calls, live, dataDir, nars }, resources, () =>
    app.swagger(),
  );
}

const playedFigures = {
  figures: (): FarmFigures => ({
    workers: 3,
    drainingWorkers: 1,
    waiting: { fetch: 0, eval: 2, build: 40 },
    assignments: { fetch: 1, eval: 0, build: 7, sign: 0, restore: 0 },
    endedAttempts: new Map([["built", 5]]),
  }),
};

function playedFarm(
  calls: FarmCalls,
  live: LiveWorker[],
): Pick<Services, "evaluations" | "workers" | "queue" | "repositories" | "upkeep"> {
  return {
    queue: { missingMemory: (attempt) => calls.missingMemory.get(attempt) ?? null },
    upkeep: {
      keysChanged: () => {
        calls.keysChanged += 1;
      },
    },
    evaluations: {
      start: (request) => {
        calls.started.push(request);
        return Promise.resolve("019a0000-0000-7000-8000-000000000001");
      },
      queued: () => Promise.resolve(),
      startTriggered: (request) => {
        calls.triggered.push(request);
        const evaluation = "019a0000-0000-7000-8000-000000000001";
        return Promise.resolve({ outcome: "created", evaluation });
      },
      restartFailed: (projectId) => {
        calls.restarted.push(projectId);
        return Promise.resolve("019a0000-0000-7000-8000-000000000001");
      },
      approve: (id, by) => {
        calls.approved.push({ id, by });
        return Promise.resolve();
      },
      abortPullRequest: (projectId, pullRequest) => {
        calls.closedPullRequests.push({ projectId, pullRequest });
        return Promise.resolve();
      },
      attend: () => ({ [Symbol.dispose]: () => undefined }),
      abort: (id) => {
        calls.aborted.push(id);
        return Promise.resolve();
      },
      cachesChanged: (id) => {
        calls.cachesChanged.push(id);
        return Promise.resolve();
      },
    },
    repositories: {
      head: (question) => {
        calls.heads.push(question);
        return Promise.resolve(HEAD);
      },
    },
    workers: {
      live: () => live,
      registrationsChanged: (id) => {
        calls.registrationsChanged.push(id);
        return Promise.resolve();
      },
      keyChanged: (id) => {
        calls.keyChanged.push(id);
        return Promise.resolve();
      },
      probe: (id) => Promise.resolve(live.some(({ worker }) => worker === id) ? 12 : null),
      upgrade: (_request, socket) => socket.destroy(),
    },
  };
}
