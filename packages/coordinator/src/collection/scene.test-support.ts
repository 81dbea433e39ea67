import { createHash } from "node:crypto";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeNix32 } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { putCacheDocument } from "../db/cache-document-repository.ts";
import { insertNarFile } from "../db/cache-nar-file-repository.ts";
import type { Database } from "../db/client.ts";
import { CollectionView } from "../db/collection-view.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { prepareHasUploaded } from "../db/nar-possession-repository.ts";
import { openPlannedDatabase } from "../db/planned-database.test-support.ts";
import { NarIntake } from "../intake/nar-intake.ts";
import { ZstdEncoder } from "../intake/zstd-encoder.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { NarFiles } from "../storage/nar-files.ts";
import { Collection, type MakePass } from "./collection.ts";
import type { IsPromised, PassTools } from "./pass-tools.ts";
import { runPass } from "./pass.ts";
import { noProgress, type Progress } from "./progress.ts";
import { PromisedPaths } from "./promised-paths.ts";
import { cacheRow, organizationRow, projectRow } from "../db/rows.test-support.ts";

export const DAY_MS = 24 * 3600 * 1000;
const TTL_MS = 14 * DAY_MS;

/** A path of a test: what it refers to, and how long ago it came and was fetched. */
export interface TestPath {
  readonly references?: readonly string[];
  readonly ageMs?: number;
  readonly fetchedMs?: number;
  readonly bytes?: number;
  /** Whether it says that it was built from the derivation of its name. */
  readonly isBuilt?: boolean;
}

/** Base name of a path that is called so. */
export function baseOf(name: string): string {
  return `${encodeNix32(createHash("sha256").update(name).digest().subarray(0, 20))}-${name}`;
}

/** Caches with paths whose files are there, evaluations that need some of them, and a collection over all. */
export class CollectionScene implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly organization = uuidv7();
  readonly project = uuidv7();
  readonly files: NarFiles;
  readonly intake: NarIntake;
  readonly promised = new PromisedPaths(this.clock);
  readonly dataDir: string;
  readonly database: Database;
  /** Here, where a test sees each statement and each step, unless it says otherwise. */
  makePass: MakePass = (job, run) => this.#makePass(job, run);

  private constructor(dataDir: string, database: Database, files: NarFiles) {
    this.dataDir = dataDir;
    this.database = database;
    this.files = files;
    this.intake = new NarIntake({
      database,
      files,
      clock: this.clock,
      findNarObject: prepareFindNarObject(database),
      possesses: prepareHasUploaded(database),
    });
  }

  static async open(): Promise<CollectionScene> {
    const dataDir = await mkdtemp(join(tmpdir(), "collection-"));
    const database = await openPlannedDatabase(join(dataDir, "farm.sqlite"));
    const scene = new CollectionScene(dataDir, database, await NarFiles.open(dataDir));
    await scene.#addOrganization();
    return scene;
  }

  collection(maxStorageBytes = 0): Collection {
    const { database, clock, files, intake } = this;
    const { removals } = intake;
    return new Collection({
      database,
      clock,
      files,
      removals,
      makePass: this.makePass,
      ttlMs: TTL_MS,
      maxStorageBytes,
    });
  }

  async #makePass(...[job, run]: Parameters<MakePass>): Promise<void> {
    const { database, promised } = this;
    const { kysely } = database;
    const isPromised: IsPromised = (path) => promised.has(path);
    const unfinished: Promise<void>[] = [];
    const release: PassTools["release"] = async ({ narHashes }, remove) => {
      const released = await this.intake.removals.release(narHashes, (db) =>
        remove(db, isPromised),
      );
      unfinished.push(released.finished);
      return released;
    };
    const view = new CollectionView(database);
    const asked = () => Promise.resolve(isPromised);
    try {
      await runPass(job, { kysely, view, release, isPromised: asked, ...run });
    } finally {
      await Promise.all(unfinished);
    }
  }

  /** One pass over everything. */
  async collect(
    options: { isDryRun?: boolean; signal?: AbortSignal; maxStorageBytes?: number } = {},
  ): Promise<Progress> {
    const progress = noProgress();
    await this.collection(options.maxStorageBytes).run({
      cache: null,
      isDryRun: options.isDryRun ?? false,
      progress,
      signal: options.signal ?? new AbortController().signal,
    });
    return progress;
  }

  async #addOrganization(): Promise<void> {
    const { kysely } = this.database;
    await kysely
      .insertInto("organizations")
      .values(organizationRow({ id: this.organization, name: "acme" }))
      .execute();
    await kysely
      .insertInto("projects")
      .values(
        projectRow({
          id: this.project,
          organization_id: this.organization,
          name: "tools",
          repository: "",
          keep_evaluations: 2,
        }),
      )
      .execute();
  }

  /** A cache that the organization fills. Resolves to its id. */
  async addCache(name: string, maxStorageGb = 0): Promise<string> {
    const id = uuidv7();
    const { kysely } = this.database;
    await kysely
      .insertInto("caches")
      .values(cacheRow({ id, name, public: 1, max_storage_gb: maxStorageGb }))
      .execute();
    await kysely
      .insertInto("cache_subscriptions")
      .values({
        organization_id: this.organization,
        cache_id: id,
        mode: "ReadWrite",
        created_at: 0,
      })
      .execute();
    return id;
  }

  narHash(name: string): string {
    return encodeNix32(createHash("sha256").update(`nar of ${name}`).digest());
  }

  /** A file with the path's NAR, as somebody has given it to the cache. */
  async addNarFile(
    cache: string,
    name: string,
    { ageMs = 100 * DAY_MS }: Pick<TestPath, "ageMs"> = {},
  ): Promise<void> {
    await insertNarFile(this.database.kysely, {
      cache_id: cache,
      file_hash: this.narHash(`given ${name}`),
      compression: "xz",
      file_size: 10,
      nar_hash: this.narHash(name),
      created_at: this.clock.now() - ageMs,
    });
  }

  /** What somebody has left beside the paths of the cache. */
  async addDocument(
    cache: string,
    name: string,
    text: string,
    ageMs = 100 * DAY_MS,
  ): Promise<void> {
    const encoder = new ZstdEncoder();
    const pieces = Array.from(encoder.encode(Buffer.from(text)), (piece) => Buffer.from(piece));
    pieces.push(...Array.from(encoder.end(), (piece) => Buffer.from(piece)));
    await putCacheDocument(this.database.kysely, {
      cacheId: cache,
      name,
      body: Buffer.concat(pieces),
      now: this.clock.now() - ageMs,
    });
  }

  /** Names of what lies beside the paths, in order. */
  async documents(cache: string): Promise<string[]> {
    const rows = await this.database.kysely
      .selectFrom("cache_documents")
      .select("name")
      .where("cache_id", "=", cache)
      .orderBy("name")
      .execute();
    return rows.map(({ name }) => name);
  }

  /** Shows a path whose file is on the disk. */
  async addPath(cache: string, name: string, path: TestPath = {}): Promise<void> {
    const { references = [], ageMs = 100 * DAY_MS, fetchedMs, bytes = 10, isBuilt } = path;
    const { kysely } = this.database;
    const narHash = this.narHash(name);
    const now = this.clock.now();
    await this.files.store([{ narHash, bytes: Buffer.from(name) }]);
    await kysely
      .insertInto("nar_objects")
      .values({
        nar_hash: narHash,
        nar_size: 1,
        file_hash: this.narHash(`file ${name}`),
        file_size: bytes,
        compression: "zstd",
        found_hashes_json: null,
        created_at: now - ageMs,
      })
      .onConflict((conflict) => conflict.column("nar_hash").doNothing())
      .execute();
    await kysely
      .insertInto("cache_paths")
      .values({
        cache_id: cache,
        hash_part: baseOf(name).slice(0, 32),
        path: baseOf(name),
        nar_hash: narHash,
        references_json: JSON.stringify(references.map(baseOf)),
        deriver: isBuilt === true ? baseOf(`${name}.drv`) : null,
        ca: null,
        signatures_json: "[]",
        created_at: now - ageMs,
        last_fetched_at: fetchedMs === undefined ? null : now - fetchedMs,
        fetch_count: 0,
        nar_size: 1,
      })
      .execute();
  }

  /** An evaluation with a build for each of the names, whose output is that path. Resolves to its id. */
  async addEvaluation(
    names: readonly string[],
    options: { state?: string; source?: string; project?: string | null; ageMs?: number } = {},
  ): Promise<string> {
    const { kysely } = this.database;
    const now = this.clock.now() - (options.ageMs ?? 0);
    const id = uuidv7();
    await kysely
      .insertInto("evaluations")
      .values({
        id,
        organization_id: this.organization,
        project_id: options.project === undefined ? this.project : options.project,
        repository: "",
        wildcard: "*",
        commit_id: null,
        state: options.state ?? "Completed",
        waiting_reason_json: null,
        source_path: options.source === undefined ? null : baseOf(options.source),
        triggered_by: null,
        created_at: now,
        updated_at: now,
      })
      .execute();
    for (const name of names) await this.#link(id, name);
    return id;
  }

  async #link(evaluation: string, name: string): Promise<void> {
    const { kysely } = this.database;
    const derivation = await kysely
      .insertInto("derivations")
      .values({
        organization_id: this.organization,
        drv_path: baseOf(`${name}.drv`),
        name,
        system: "x86_64-linux",
        required_features_json: "[]",
        is_fixed_output: 0,
        facts_json: "{}",
        created_at: 0,
      })
      .onConflict((conflict) =>
        conflict.columns(["organization_id", "drv_path"]).doUpdateSet({ name }),
      )
      .returning("id")
      .executeTakeFirstOrThrow();
    await kysely
      .insertInto("derivation_outputs")
      .values({ derivation_id: derivation.id, name: "out", path: baseOf(name) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const build = await kysely
      .insertInto("builds")
      .values({
        organization_id: this.organization,
        derivation_id: derivation.id,
        state: "Completed",
        unmet_dependencies: 0,
        created_at: 0,
        updated_at: 0,
      })
      .onConflict((conflict) => conflict.column("derivation_id").doUpdateSet({ updated_at: 0 }))
      .returning("id")
      .executeTakeFirstOrThrow();
    await kysely
      .insertInto("evaluation_builds")
      .values({ id: uuidv7(), evaluation_id: evaluation, build_id: build.id })
      .execute();
  }

  async pin(
    cache: string,
    pin: { path?: string; evaluation?: string; untilMs?: number },
  ): Promise<void> {
    await this.database.kysely
      .insertInto("cache_pins")
      .values({
        id: uuidv7(),
        cache_id: cache,
        path: pin.path === undefined ? null : baseOf(pin.path),
        evaluation_id: pin.evaluation ?? null,
        until: pin.untilMs === undefined ? null : this.clock.now() + pin.untilMs,
        created_by: null,
        created_at: this.clock.now(),
      })
      .execute();
  }

  /** Somebody is told that the path is here. */
  promise(name: string): void {
    this.promised.add([baseOf(name)]);
  }

  /** Names of what the cache shows, in order. */
  async shown(cache: string): Promise<string[]> {
    const rows = await this.database.kysely
      .selectFrom("cache_paths")
      .select("path")
      .where("cache_id", "=", cache)
      .execute();
    return rows.map(({ path }) => path.slice(33)).toSorted();
  }

  async hasFile(name: string): Promise<boolean> {
    return access(this.files.file(this.narHash(name))).then(
      () => true,
      () => false,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.files[Symbol.asyncDispose]();
    try {
      await this.database[Symbol.asyncDispose]();
    } finally {
      await rm(this.dataDir, { recursive: true });
    }
  }
}
