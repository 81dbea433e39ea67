import { usageRecordSchema, type UsageRecord } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { usageColumns } from "../db/attempt-repository.ts";
import type { Queries } from "../db/client.ts";

/** Milliseconds of the seeded rows: 2025-11-22T00:00:00Z. */
const SEED_TIME = 1_763_769_600_000;

export const usage = usageRecordSchema.parse({
  cpuQuality: "exact",
  memoryQuality: "sampled",
  wallMs: 2000,
  cpuUserMs: 1500,
  cpuSystemMs: 250,
  coresAverage: 0.875,
  memoryPeakBytes: 1_048_576,
  memoryRawPeakBytes: 2_097_152,
  memoryLimitBytes: null,
  oomKills: 0,
  cpuThrottledMs: null,
  ioReadBytes: null,
  ioWriteBytes: null,
  processesPeak: 3,
  source: "cgroup2",
  series: [{ atMs: 0, cpuMs: 0, memoryBytes: 1 }],
});

export interface SeededBuild {
  /** Of the evaluation build. */
  id: string;
  derivationId: number;
  drvPath: string;
  attempt: number | null;
}

export interface Seed {
  evaluationId: string;
  commitId: string;
  base: SeededBuild;
  lib: SeededBuild;
  app: SeededBuild;
  broken: SeededBuild;
}

function drvOf(name: string): string {
  return `${name.padEnd(32, "0").replace(/[eotu]/g, "x")}-${name}.drv`;
}

/** An evaluation in Building: base is built and measured, lib builds, app waits for lib, broken failed. app needs lib, lib needs base. */
export async function seedEvaluation(
  db: Queries,
  of: { organizationId: string; projectId: string; userId: string | null },
): Promise<Seed> {
  const commitId = uuidv7();
  await db
    .insertInto("commits")
    .values({
      id: commitId,
      hash: "a".repeat(40),
      message: "\n  Fix the thing\n\nlong text",
      author_name: "Ann",
      author_email: "ann@example.com",
      created_at: SEED_TIME,
    })
    .execute();
  const evaluationId = uuidv7();
  await db
    .insertInto("evaluations")
    .values({
      id: evaluationId,
      organization_id: of.organizationId,
      project_id: of.projectId,
      repository: "https://example.com/r.git",
      wildcard: "packages.*",
      commit_id: commitId,
      state: "Building",
      triggered_by: of.userId,
      created_at: SEED_TIME,
      updated_at: SEED_TIME + 1000,
      fetch_started_at: SEED_TIME + 10,
    })
    .execute();
  const seedBuild = (name: string, state: string, attempt: AttemptSeed | null) =>
    insertBuild(db, { ...of, evaluationId, name, state, attempt });
  const base = await seedBuild("base", "Completed", { status: "built", usage });
  const lib = await seedBuild("lib", "Building", { status: "running", usage: null });
  const app = await seedBuild("app", "Created", null);
  const broken = await seedBuild("broken", "FailedPermanent", {
    status: "build_failed",
    usage: null,
  });
  await db
    .insertInto("derivation_inputs")
    .values([
      { derivation_id: app.derivationId, input_id: lib.derivationId, outputs_json: '["out"]' },
      { derivation_id: lib.derivationId, input_id: base.derivationId, outputs_json: '["out"]' },
    ])
    .execute();
  await db
    .insertInto("jobs")
    .values([
      job(evaluationId, ["packages", "app"], app.derivationId, null),
      job(evaluationId, ["packages", "bro.ken"], broken.derivationId, null),
      job(evaluationId, ["packages", "throws"], null, "it throws"),
    ])
    .execute();
  await db
    .insertInto("evaluation_messages")
    .values([
      message(evaluationId, "Error", "packages.throws: it throws"),
      message(evaluationId, "Warning", "old style"),
      message(evaluationId, "Error", "second"),
    ])
    .execute();
  return { evaluationId, commitId, base, lib, app, broken };
}

interface AttemptSeed {
  status: string;
  usage: UsageRecord | null;
}

interface BuildSeed {
  organizationId: string;
  evaluationId: string;
  name: string;
  state: string;
  attempt: AttemptSeed | null;
}

async function insertBuild(db: Queries, seed: BuildSeed): Promise<SeededBuild> {
  const drvPath = drvOf(seed.name);
  const derivation = await db
    .insertInto("derivations")
    .values({
      organization_id: seed.organizationId,
      drv_path: drvPath,
      name: seed.name,
      system: "x86_64-linux",
      required_features_json: "[]",
      is_fixed_output: 0,
      facts_json: "{}",
      created_at: SEED_TIME,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  await db
    .insertInto("derivation_outputs")
    .values([
      { derivation_id: derivation.id, name: "out", path: drvPath.replace(/\.drv$/, "") },
      { derivation_id: derivation.id, name: "doc", path: null },
    ])
    .execute();
  const isStarted = seed.attempt !== null;
  const isStopped = isStarted && seed.attempt?.status !== "running";
  const build = await db
    .insertInto("builds")
    .values({
      organization_id: seed.organizationId,
      derivation_id: derivation.id,
      state: seed.state,
      unmet_dependencies: 0,
      message: seed.state === "FailedPermanent" ? "builder failed with exit code 1" : null,
      created_at: SEED_TIME,
      updated_at: SEED_TIME + 500,
      ready_at: SEED_TIME + 100,
      assigned_at: isStarted ? SEED_TIME + 150 : null,
      started_at: isStarted ? SEED_TIME + 200 : null,
      stopped_at: isStopped ? SEED_TIME + 2200 : null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  const id = uuidv7();
  await db
    .insertInto("evaluation_builds")
    .values({ id, evaluation_id: seed.evaluationId, build_id: build.id })
    .execute();
  const attempt = seed.attempt === null ? null : await insertAttempt(db, build.id, seed.attempt);
  return { id, derivationId: derivation.id, drvPath, attempt };
}

async function insertAttempt(db: Queries, buildId: number, seed: AttemptSeed): Promise<number> {
  const row = await db
    .insertInto("attempts")
    .values({
      build_id: buildId,
      status: seed.status,
      worker_id: "550e8400-e29b-41d4-a716-446655440001",
      created_at: SEED_TIME + 100,
      ...usageColumns(seed.usage),
      log_bytes: 0,
    })
    .returning("number")
    .executeTakeFirstOrThrow();
  return row.number;
}

function job(
  evaluationId: string,
  attribute: string[],
  derivationId: number | null,
  error: string | null,
) {
  return {
    evaluation_id: evaluationId,
    attribute_json: JSON.stringify(attribute),
    derivation_id: derivationId,
    error,
    created_at: SEED_TIME,
  };
}

function message(evaluationId: string, level: "Error" | "Warning", text: string) {
  return { evaluation_id: evaluationId, level, text, created_at: SEED_TIME };
}
