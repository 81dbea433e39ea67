import { organizationIdSchema } from "@gradient/protocol";
import type { ReadyGroup } from "../scheduler/ready-queue.ts";
import type { Queries } from "./client.ts";
import { statedFactsOf } from "./derivation-repository.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";
import { reusable } from "./reusable-query.ts";
import { historyKeyOf, type HistoryKey } from "./run-history-repository.ts";

/** What an attempt asked of its worker, without what was expected of it. */
export interface AttemptNeeds extends ReadyGroup {
  /** What was set aside for it; null when it was given to nobody. */
  readonly reservedBytes: number | null;
  readonly history: HistoryKey;
}

const selectNeeds = reusable((db, attempt: number) =>
  db
    .selectFrom("attempts")
    .innerJoin("builds", "builds.id", "attempts.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select([
      "attempts.memory_bytes",
      "attempts.allocated_bytes",
      "builds.organization_id",
      "derivations.name",
      "derivations.system",
      "derivations.is_fixed_output",
      "derivations.required_features_json",
      "derivations.facts_json",
    ])
    .where("attempts.number", "=", attempt),
);

/** What a new run of the same derivation would be expected to need is left out: `estimate` is empty. The attempt has to exist. */
export async function findAttemptNeeds(db: Queries, attempt: number): Promise<AttemptNeeds> {
  const [row] = (await selectNeeds(db, attempt)).rows;
  if (row === undefined) throw new Error(`attempt ${attempt} does not exist`);
  const { needs, pname } = statedFactsOf(row.facts_json);
  return {
    organization: organizationIdSchema.parse(row.organization_id),
    system: row.system,
    requiredFeatures: readJsonColumn(stringListSchema, row.required_features_json),
    demand: {
      ...needs,
      exactMemoryBytes: row.memory_bytes,
      estimate: { memoryBytes: null, cores: null },
    },
    reservedBytes: row.allocated_bytes,
    history: historyKeyOf({ ...row, pname }),
  };
}
