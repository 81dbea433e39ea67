import { sql } from "kysely";
import { v7 as uuidv7 } from "uuid";
import type { Queries } from "./client.ts";

export interface NewDirectBuild {
  readonly organizationId: string;
  readonly evaluationId: string;
  /** Attribute pattern, as it was asked for. */
  readonly derivation: string;
}

/** Notes that the evaluation was asked for as a direct build, in the transaction that makes the evaluation. */
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
  /** State of the build that the evaluation's first attribute with a derivation asks for; null when there is none. */
  readonly state: string | null;
}

/** The newest of these organizations, newest first, in one statement: somebody may be a member of hundreds. */
export async function listRecentDirectBuilds(
  db: Queries,
  organizations: readonly string[],
  limits: { readonly total: number; readonly perOrganization: number },
): Promise<RecentDirectBuild[]> {
  const { rows } = await sql<RecentDirectBuild>`
    select direct.id, direct.derivation, direct.evaluation_id as "evaluationId", direct.created_at as "createdAt", (
      select builds.state from jobs join builds on builds.derivation_id = jobs.derivation_id
      where jobs.evaluation_id = direct.evaluation_id order by jobs.attribute_json limit 1) as state
    from json_each(${JSON.stringify(organizations)}) organization join direct_builds direct on direct.id in (
      select id from direct_builds where organization_id = organization.value
      order by created_at desc, id desc limit ${limits.perOrganization})
    order by direct.created_at desc, direct.id desc limit ${limits.total}
  `.execute(db);
  return rows;
}
