import { v7 as uuidv7 } from "uuid";
import type { Queries } from "./client.ts";

export interface NewDirectBuild {
  readonly organizationId: string;
  readonly evaluationId: string;
  /** Attribute pattern, as it was asked for. */
  readonly derivation: string;
}

export async function insertDirectBuild(
  db: Queries,
  build: NewDirectBuild,
  now: number,
): Promise<void> {
  await db
    .insertInto("direct_builds")
    .values({
      id: uuidv7(),
      organization_id: build.organizationId,
      evaluation_id: build.evaluationId,
      derivation: build.derivation,
      created_at: now,
    })
    .execute();
}

export interface RecentDirectBuild {
  readonly id: string;
  readonly derivation: string;
  readonly evaluationId: string;
  readonly createdAt: number;
  /** State of one build of the evaluation; null when it has none. */
  readonly state: string | null;
}

/** The newest of these organizations, newest first. */
export async function listRecentDirectBuilds(
  db: Queries,
  organizations: readonly string[],
  limits: { readonly total: number; readonly perOrganization: number },
): Promise<RecentDirectBuild[]> {
  const found: Omit<RecentDirectBuild, "state">[] = [];
  for (const organization of organizations) {
    const rows = await db
      .selectFrom("direct_builds")
      .select(["id", "derivation", "evaluation_id as evaluationId", "created_at as createdAt"])
      .where("organization_id", "=", organization)
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limits.perOrganization)
      .execute();
    found.push(...rows);
  }
  const newest = found
    .toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    .slice(0, limits.total);
  return Promise.all(
    newest.map(async (build) => ({ ...build, state: await findState(db, build.evaluationId) })),
  );
}

/** State of the build that the evaluation's first attribute with a derivation asks for. */
async function findState(db: Queries, evaluationId: string): Promise<string | null> {
  const row = await db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.derivation_id", "jobs.derivation_id")
    .select("builds.state")
    .where("jobs.evaluation_id", "=", evaluationId)
    .orderBy("jobs.attribute_json")
    .limit(1)
    .executeTakeFirst();
  return row?.state ?? null;
}
