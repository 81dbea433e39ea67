import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** Bytes; null when nothing of it is known. */
export interface ClosureSizes {
  readonly buildBytes: number | null;
  readonly runtimeBytes: number | null;
}

/** The newest evaluation whose closures are still to be counted, with the derivations of its jobs. */
export async function findDueEvaluation(
  db: Queries,
): Promise<{ id: string; organizationId: string; derivations: number[] } | undefined> {
  const due = await db
    .selectFrom("closures_due")
    .innerJoin("evaluations", "evaluations.id", "closures_due.evaluation_id")
    .select(["evaluations.id", "evaluations.organization_id as organizationId"])
    .orderBy("closures_due.evaluation_id", "desc")
    .limit(1)
    .executeTakeFirst();
  if (due === undefined) return undefined;
  const jobs = await db
    .selectFrom("jobs")
    .select("derivation_id")
    .distinct()
    .where("evaluation_id", "=", due.id)
    .where("derivation_id", "is not", null)
    .execute();
  return { ...due, derivations: jobs.flatMap(({ derivation_id: id }) => id ?? []) };
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

/** Keeps what was counted; the evaluation is not due any more. What is gone meanwhile is left out. */
export async function insertClosureSizes(
  db: Queries,
  evaluation: string,
  whole: ClosureSizes,
  jobs: ReadonlyMap<number, ClosureSizes>,
): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom("closures_due")
    .where("evaluation_id", "=", evaluation)
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) return;
  const columns = columnsOf(whole);
  await db
    .insertInto("evaluation_closures")
    .values({ evaluation_id: evaluation, ...columns })
    .onConflict((conflict) => conflict.column("evaluation_id").doUpdateSet(columns))
    .execute();
  for (const batch of batchesOf(jobs)) {
    await db
      .insertInto("derivation_closures")
      .values(batch.map(([id, sizes]) => ({ derivation_id: id, ...columnsOf(sizes) })))
      .onConflict((conflict) => conflict.column("derivation_id").doNothing())
      .execute();
  }
}

function columnsOf({ buildBytes, runtimeBytes }: ClosureSizes) {
  return { build_bytes: buildBytes, runtime_bytes: runtimeBytes };
}
