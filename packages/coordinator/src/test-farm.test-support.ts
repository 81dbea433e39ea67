import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { organizationIdSchema, SecretKey, type OrganizationId } from "@gradient/protocol";
import Fastify, { type FastifyInstance } from "fastify";
import { v7 as uuidv7 } from "uuid";
import type { Clock } from "./clock.ts";
import type { BucketLocation } from "./config/object-store.ts";
import type { Database } from "./db/client.ts";
import { openPlannedDatabase } from "./db/planned-database.test-support.ts";
import { openFarm, type Farm, type FarmTimes } from "./farm.ts";
import { newKeyRow, parseCacheKey } from "./keys/cache-key.ts";
import { StoredCacheSigner } from "./keys/cache-signer.ts";
import { MasterKey } from "./keys/master-key.ts";
import { createLogger } from "./logger.ts";
import type { FindCredentials } from "./queue/offer.ts";
import { TestWorker } from "./test-worker.test-support.ts";
import { cacheRow, organizationRow, projectRow } from "./db/rows.test-support.ts";

export interface TestFarmOptions {
  readonly clock?: Clock;
  readonly leaseMs?: number;
  readonly times?: Partial<FarmTimes>;
  readonly findCredentials?: FindCredentials;
  readonly objectStore?: BucketLocation;
}

export interface TestOrganization {
  readonly id: OrganizationId;
  readonly cache: string;
  readonly project: string;
}

const masterKey = new MasterKey(Buffer.alloc(32, 7));

/** A real farm in a temporary directory, with a real HTTP server; only keys and accounts are made up. */
export class TestFarm implements AsyncDisposable {
  readonly dataDir: string;
  readonly #options: TestFarmOptions;
  readonly #keys: Map<string, SecretKey>;
  #database: Database;
  #farm: Farm;
  #app: FastifyInstance;
  readonly #port: number;

  private constructor(
    dataDir: string,
    options: TestFarmOptions,
    keys: Map<string, SecretKey>,
    opened: Opened,
  ) {
    this.dataDir = dataDir;
    this.#keys = keys;
    this.#options = options;
    this.#database = opened.database;
    this.#farm = opened.farm;
    this.#app = opened.app;
    this.#port = opened.port;
  }

  static async open(options: TestFarmOptions = {}): Promise<TestFarm> {
    const dataDir = await mkdtemp(join(tmpdir(), "farm-"));
    const keys = new Map<string, SecretKey>();
    return new TestFarm(dataDir, options, keys, await start(dataDir, options, 0));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get database(): Database {
    return this.#database;
  }

  get farm(): Farm {
    return this.#farm;
  }

  /** Public key of a cache. */
  cacheKey(cache: string): SecretKey {
    const key = this.#keys.get(cache);
    if (key === undefined) throw new Error(`the test has no cache ${cache}`);
    return key;
  }

  /** After `stop`: starts again on the same port and directory. */
  async start(): Promise<void> {
    const opened = await start(this.dataDir, this.#options, this.#port);
    this.#database = opened.database;
    this.#farm = opened.farm;
    this.#app = opened.app;
  }

  async stop(): Promise<void> {
    await this.#farm[Symbol.asyncDispose]();
    await this.#app.close();
    await this.#database[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await rm(this.dataDir, { recursive: true });
    }
  }

  /** An organization with one project and one cache that it writes to. */
  async addOrganization(): Promise<TestOrganization> {
    const id = organizationIdSchema.parse(uuidv7());
    const project = uuidv7();
    const { kysely } = this.#database;
    await kysely
      .insertInto("organizations")
      .values(organizationRow({ id, name: id }))
      .execute();
    await this.addProject(id, project);
    return { id, project, cache: await this.addCache(id) };
  }

  async addProject(organization: OrganizationId, id: string = uuidv7()): Promise<string> {
    await this.#database.kysely
      .insertInto("projects")
      .values(projectRow({ id, organization_id: organization, name: id }))
      .execute();
    return id;
  }

  async addCache(organization: OrganizationId): Promise<string> {
    const id = uuidv7();
    const key = SecretKey.generate(`cache-${id}`);
    this.#keys.set(id, key);
    const { kysely } = this.#database;
    await kysely
      .insertInto("caches")
      .values(cacheRow({ id, name: id }))
      .execute();
    const stored = parseCacheKey(key.reveal());
    await kysely
      .insertInto("cache_keys")
      .values(newKeyRow(masterKey, id, stored, { isComplete: true, now: 0 }))
      .execute();
    await kysely
      .insertInto("cache_subscriptions")
      .values({ organization_id: organization, cache_id: id, mode: "ReadWrite", created_at: 0 })
      .execute();
    return id;
  }

  /** Registers a worker and gives it the token. */
  async register(worker: TestWorker, organization: OrganizationId): Promise<void> {
    const token = uuidv7();
    worker.tokens.set(organization, token);
    await this.#database.kysely
      .insertInto("worker_registrations")
      .values({
        organization_id: organization,
        worker_id: worker.id,
        display_name: "",
        token_hash: createHash("sha256").update(token).digest("hex"),
        enable_fetch: 1,
        enable_eval: 1,
        enable_build: 1,
        active: 1,
        registered_at: 0,
      })
      .execute();
  }

  /** A registered worker that is not connected. */
  async addWorker(...organizations: OrganizationId[]): Promise<TestWorker> {
    const worker = new TestWorker(this.url);
    for (const organization of organizations) await this.register(worker, organization);
    return worker;
  }
}

interface Opened {
  readonly database: Database;
  readonly farm: Farm;
  readonly app: FastifyInstance;
  readonly port: number;
}

async function start(dataDir: string, options: TestFarmOptions, port: number): Promise<Opened> {
  const database = await openPlannedDatabase(join(dataDir, "farm.sqlite"));
  const farm = await openFarm({
    database,
    dataDir,
    leaseMs: options.leaseMs ?? 600_000,
    logger: createLogger("silent"),
    signer: new StoredCacheSigner(database, masterKey),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.times === undefined ? {} : { times: options.times }),
    ...(options.objectStore === undefined ? {} : { objectStore: options.objectStore }),
    ...(options.findCredentials === undefined ? {} : { findCredentials: options.findCredentials }),
  });
  const app = Fastify({ forceCloseConnections: true });
  await app.register(farm.transferRoutes, { prefix: "/proto" });
  app.server.on("upgrade", (request, socket, head) => farm.workers.upgrade(request, socket, head));
  const url = await app.listen({ host: "127.0.0.1", port });
  return { database, farm, app, port: Number(new URL(url).port) };
}
