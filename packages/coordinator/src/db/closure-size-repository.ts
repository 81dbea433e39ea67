import { sql } from "kysely";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** Bytes; null when nothing of it is known. */
export interface ClosureSizes {
  readonly buildBytes: number | null;
  readonly runtimeBytes: number | null;
}

/** Of one derivation, by its row. */
export interface DerivationClosure extends ClosureSizes {
  readonly derivation: number;
}

/** An evaluation whose closures are to be counted. */
export interface DueEvaluation {
  readonly id: string;
  readonly organizationId: string;
}

/** The newest evaluation whose closures are still to be counted, of all or of those that ended by then. */
export async function findDueEvaluation(
  db: Queries,
  endedBy: number | null,
): Promise<DueEvaluation | undefined> {
  return db
    .selectFrom("closures_due")
    .innerJoin("evaluations", "evaluations.id", "closures_due.evaluation_id")
    .select(["evaluations.id", "evaluations.organization_id as organizationId"])
    .$if(endedBy !== null, (query) => query.where("evaluations.finished_at", "<=", endedBy))
    .orderBy("closures_due.evaluation_id", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** Rows of the derivations that an evaluation's jobs have, each once. */
export async function listJobDerivations(db: Queries, evaluation: string): Promise<number[]> {
  const jobs = await db
    .selectFrom("jobs")
    .select("derivation_id")
    .distinct()
    .where("evaluation_id", "=", evaluation)
    .where("derivation_id", "is not", null)
    .execute();
  return jobs.flatMap(({ derivation_id: id }) => id ?? []);
}

/** Those of the derivations whose closures were counted. */
export async function findCounted(
  db: Queries,
  derivations: readonly number[],
): Promise<Set<number>> {
  const counted = new Set<number>();
  for (const batch of batchesOf(derivations)) {
    const rows = await db
      .selectFrom("derivation_closures")
      .select("derivation_id")
      .where("derivation_id", "in", batch)
      .execute();
    for (const { derivation_id: id } of rows) counted.add(id);
  }
  return counted;
}

/** Keeps what was counted of an evaluation, which is not due any more; nothing when it is gone meanwhile. */
export async function insertEvaluationClosures(
  db: Queries,
  evaluation: string,
  { buildBytes, runtimeBytes }: ClosureSizes,
): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom("closures_due")
    .where("evaluation_id", "=", evaluation)
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) return;
  const columns = { build_bytes: buildBytes, runtime_bytes: runtimeBytes };
  await db
    .insertInto("evaluation_closures")
    .values({ evaluation_id: evaluation, ...columns })
    .onConflict((conflict) => conflict.column("evaluation_id").doUpdateSet(columns))
    .execute();
}

/** Keeps what was counted of derivations, but of those that are gone meanwhile. `closures` is a list of `DerivationClosure` as JSON. */
export async function insertDerivationClosures(db: Queries, closures: string): Promise<void> {
  await sql`
    insert into derivation_closures (derivation_id, build_bytes, runtime_bytes)
    select derivations.id, value ->> 'buildBytes', value ->> 'runtimeBytes'
    from json_each(${closures}) cross join derivations on derivations.id = value ->> 'derivation'
    where true
    on conflict (derivation_id) do nothing
  `.execute(db);
}
