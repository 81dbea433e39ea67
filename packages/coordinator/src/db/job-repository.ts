import type { EvaluationMessage } from "@gradient/protocol";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { registerJobs, type RegisteredJob } from "./project-build-repository.ts";

/** Adds to what was said of the evaluation, in the order in which it is shown. */
export async function insertMessages(
  db: Queries,
  evaluationId: string,
  messages: readonly EvaluationMessage[],
  now: number,
): Promise<void> {
  for (const batch of batchesOf(messages)) {
    const rows = batch.map(({ level, text, attribute }) => ({
      evaluation_id: evaluationId,
      level,
      text,
      attribute_json: attribute === undefined ? null : JSON.stringify(attribute),
      created_at: now,
    }));
    await db.insertInto("evaluation_messages").values(rows).execute();
  }
}

/** Forgets the jobs of an evaluation and what was said of single attributes. Its builds stay. */
export async function deleteDelivered(db: Queries, evaluationId: string): Promise<void> {
  await db.deleteFrom("jobs").where("evaluation_id", "=", evaluationId).execute();
  await db
    .deleteFrom("evaluation_messages")
    .where("evaluation_id", "=", evaluationId)
    .where("attribute_json", "is not", null)
    .execute();
}

export interface JobRecord {
  readonly attribute: readonly string[];
  readonly derivation: number | null;
  readonly error: string | null;
}

/** Adds jobs; what an earlier try of the evaluation said of the same attribute is replaced. */
export async function upsertJobs(
  db: Queries,
  evaluationId: string,
  jobs: readonly JobRecord[],
  now: number,
): Promise<void> {
  // One statement must not touch a row twice.
  const byAttribute = new Map(jobs.map((job) => [JSON.stringify(job.attribute), job]));
  const built = [...byAttribute].flatMap(([text, { attribute, derivation }]) =>
    derivation === null ? [] : [{ text, attribute, derivation }],
  );
  const registered = new Map<string, RegisteredJob>();
  for (const [{ text }, job] of await registerJobs(db, evaluationId, built)) {
    registered.set(text, job);
  }
  for (const batch of batchesOf(byAttribute)) {
    const rows = batch.map(([attribute, { derivation, error }]) => ({
      evaluation_id: evaluationId,
      attribute_json: attribute,
      derivation_id: derivation,
      error,
      created_at: now,
      name: registered.get(attribute)?.name ?? null,
      evaluation_number: registered.get(attribute)?.evaluationNumber ?? null,
      build_number: registered.get(attribute)?.buildNumber ?? null,
    }));
    await db
      .insertInto("jobs")
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(["evaluation_id", "attribute_json"]).doUpdateSet((eb) => ({
          derivation_id: eb.ref("excluded.derivation_id"),
          error: eb.ref("excluded.error"),
          name: eb.ref("excluded.name"),
          evaluation_number: eb.ref("excluded.evaluation_number"),
          build_number: eb.ref("excluded.build_number"),
        })),
      )
      .execute();
  }
}

/** Whether an attribute has an error in the place of a derivation. */
export async function hasFailedJob(db: Queries, evaluationId: string): Promise<boolean> {
  const row = await db
    .selectFrom("jobs")
    .select("evaluation_id")
    .where("evaluation_id", "=", evaluationId)
    .where("error", "is not", null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
