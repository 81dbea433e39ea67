import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** Gives an evaluation tags. They come to the attempts that are made for it, by triggers, as its builds are linked. */
export async function addEvaluationTags(
  db: Queries,
  evaluation: { id: string; organizationId: string; tags: Readonly<Record<string, string>> },
): Promise<void> {
  const { id, organizationId, tags } = evaluation;
  for (const batch of batchesOf(Object.entries(tags))) {
    await db
      .insertInto("tags")
      .values(batch.map(([name, value]) => ({ organization_id: organizationId, name, value })))
      .onConflict((conflict) => conflict.columns(["organization_id", "name", "value"]).doNothing())
      .execute();
    for (const [name, value] of batch) {
      await db
        .insertInto("evaluation_tags")
        .columns(["evaluation_id", "tag_id"])
        .expression((expression) =>
          expression
            .selectFrom("tags")
            .select((select) => [select.val(id).as("evaluation_id"), "tags.id"])
            .where("organization_id", "=", organizationId)
            .where("name", "=", name)
            .where("value", "=", value),
        )
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  }
}
