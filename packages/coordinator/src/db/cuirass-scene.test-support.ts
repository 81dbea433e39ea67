import { v7 as uuidv7 } from "uuid";
import type { AttemptState } from "../scheduler/attempt-state.ts";
import type { BuildState } from "../scheduler/build-state.ts";
import type { EvaluationState } from "../scheduler/evaluation-state.ts";
import type { Queries } from "./client.ts";
import { upsertJobs } from "./job-repository.ts";
import { organizationRow, projectRow } from "./rows.test-support.ts";

/** 2027-01-10T00:00:00Z. */
export const SCENE_TIME = Date.UTC(2027, 0, 10);

export interface SceneProject {
  readonly organizationId: string;
  readonly projectId: string;
}

/** A project, in an organization of its own unless one is given. */
export async function addSceneProject(
  db: Queries,
  of: { organization: string; project: string; isPublic: boolean; organizationId?: string },
): Promise<SceneProject> {
  const organizationId = of.organizationId ?? uuidv7();
  if (of.organizationId === undefined) {
    await db
      .insertInto("organizations")
      .values(
        organizationRow({
          id: organizationId,
          name: of.organization,
          display_name: of.organization,
          public: of.isPublic ? 1 : 0,
          created_by: "",
          created_at: SCENE_TIME,
        }),
      )
      .execute();
  }
  const projectId = uuidv7();
  await db
    .insertInto("projects")
    .values(
      projectRow({
        id: projectId,
        organization_id: organizationId,
        name: of.project,
        display_name: of.project,
        created_by: "",
        created_at: SCENE_TIME,
      }),
    )
    .execute();
  return { organizationId, projectId };
}

/** Resolves to id and number. */
export async function addSceneEvaluation(
  db: Queries,
  project: SceneProject,
  of: { state: EvaluationState; commit?: string; source?: string; isEvaluated?: boolean },
  now: number = SCENE_TIME,
): Promise<{ id: string; number: number }> {
  const id = uuidv7();
  const { commit, isEvaluated = true } = of;
  const commitId = commit === undefined ? null : uuidv7();
  if (commit !== undefined && commitId !== null) {
    const author = { author_name: "Ann", author_email: "ann@example.com" };
    await db
      .insertInto("commits")
      .values({ id: commitId, hash: commit, message: "", ...author, created_at: now + 1500 })
      .execute();
  }
  await db
    .insertInto("evaluations")
    .values({
      id,
      organization_id: project.organizationId,
      project_id: project.projectId,
      repository: "https://example.org/repo.git",
      wildcard: "*",
      state: of.state,
      commit_id: commitId,
      revision: commit ?? null,
      source_path: of.source ?? null,
      created_at: now,
      updated_at: now + 9000,
      building_started_at: isEvaluated ? now + 3500 : null,
    })
    .execute();
  const { number } = await db
    .selectFrom("evaluations")
    .select("number")
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return { id, number };
}

export interface SceneBuild {
  readonly name: string;
  /** Attribute path; without one it is only needed by others. */
  readonly attribute?: readonly string[];
  readonly system?: string;
  readonly state: BuildState;
  readonly attempt?: AttemptState;
  readonly priority?: number;
  /** Milliseconds behind SCENE_TIME. */
  readonly startedAfterMs?: number;
}

export function sceneDrv(name: string): string {
  return `${name
    .padEnd(32, "0")
    .slice(0, 32)
    .replaceAll(/[^0-9a-df-np-sv-z]/g, "x")}-${name}.drv`;
}

/** Builds in the order of the list, as an evaluation has them. What is there already is only linked. Resolves to numbers by name. */
export async function addSceneBuilds(
  db: Queries,
  project: SceneProject,
  evaluationId: string,
  builds: readonly SceneBuild[],
): Promise<Map<string, number>> {
  const derivations = new Map<string, number>();
  for (const build of builds) {
    const derivation = await derivationOf(db, project, build);
    derivations.set(build.name, derivation);
    const id = await buildOf(db, project, derivation, build);
    await upsertJobs(
      db,
      evaluationId,
      build.attribute === undefined
        ? []
        : [{ attribute: build.attribute, derivation, error: null }],
      SCENE_TIME,
    );
    await db
      .insertInto("evaluation_builds")
      .values({ id: uuidv7(), evaluation_id: evaluationId, build_id: id })
      .execute();
  }
  const rows = await db
    .selectFrom("project_builds")
    .select(["number", "derivation_id"])
    .where("project_id", "=", project.projectId)
    .execute();
  const byDerivation = new Map(rows.map((row) => [row.derivation_id, row.number]));
  return new Map(
    [...derivations].map(([name, derivation]) => [name, byDerivation.get(derivation) ?? 0]),
  );
}

async function derivationOf(
  db: Queries,
  { organizationId }: SceneProject,
  { name, system = "x86_64-linux" }: SceneBuild,
): Promise<number> {
  const drvPath = sceneDrv(name);
  const found = await db
    .selectFrom("derivations")
    .select("id")
    .where("organization_id", "=", organizationId)
    .where("drv_path", "=", drvPath)
    .executeTakeFirst();
  if (found !== undefined) return found.id;
  const { id } = await db
    .insertInto("derivations")
    .values({
      organization_id: organizationId,
      drv_path: drvPath,
      name,
      system,
      required_features_json: "[]",
      is_fixed_output: 0,
      facts_json: "{}",
      created_at: SCENE_TIME,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  const path = drvPath.slice(0, -".drv".length);
  await db
    .insertInto("derivation_outputs")
    .values([
      { derivation_id: id, name: "out", path },
      { derivation_id: id, name: "doc", path: `${path}-doc` },
    ])
    .execute();
  return id;
}

async function buildOf(
  db: Queries,
  { organizationId }: SceneProject,
  derivation: number,
  build: SceneBuild,
): Promise<number> {
  const found = await db
    .selectFrom("builds")
    .select("id")
    .where("derivation_id", "=", derivation)
    .executeTakeFirst();
  if (found !== undefined) return found.id;
  const { state, attempt, startedAfterMs: started, priority = 44 } = build;
  const hasRun = attempt !== undefined && attempt !== "pending";
  const isEnded = hasRun && attempt !== "running";
  const startedAt = hasRun ? SCENE_TIME + (started ?? 10_000) : null;
  const { id } = await db
    .insertInto("builds")
    .values({
      organization_id: organizationId,
      derivation_id: derivation,
      state: "Created",
      unmet_dependencies: 0,
      priority,
      created_at: SCENE_TIME + 4000,
      updated_at: SCENE_TIME + 30_900,
      started_at: startedAt,
      stopped_at: isEnded && startedAt !== null ? startedAt + 2500 : null,
      stored_at: state === "Substituted" ? SCENE_TIME + 5000 : null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  if (attempt !== undefined) {
    await db
      .insertInto("attempts")
      .values({ build_id: id, status: attempt, created_at: SCENE_TIME + 4000, log_bytes: 0 })
      .execute();
  }
  await db.updateTable("builds").set({ state }).where("id", "=", id).execute();
  return id;
}

/** Ends a build, or lets it wait again. */
export async function moveSceneBuild(db: Queries, name: string, state: BuildState): Promise<void> {
  await db
    .updateTable("builds")
    .set({ state })
    .where("derivation_id", "in", (select) =>
      select.selectFrom("derivations").select("id").where("drv_path", "=", sceneDrv(name)),
    )
    .execute();
}
