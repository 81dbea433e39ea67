import type { BuildLimits } from "@gradient/protocol";
import { organizationIdSchema } from "@gradient/protocol";
import type { ReadyGroup } from "../scheduler/ready-queue.ts";
import type { Queries } from "./client.ts";
import { limitsOf } from "./derivation-repository.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";

/** What the derivation says, but for memory that the attempt was given. */
export function limitsOfAttempt(row: {
  facts_json: string;
  memory_bytes: number | null;
}): BuildLimits {
  const limits = limitsOf(row.facts_json);
  return { ...limits, memoryBytes: row.memory_bytes ?? limits.memoryBytes };
}

/** What an attempt asked of its worker, and what it was held to. */
export interface AttemptNeeds extends ReadyGroup {
  /** Limit of the attempt; null for none. */
  readonly limitBytes: number | null;
  /** Most that the derivation allows; null when it does not say. */
  readonly maxBytes: number | null;
}

export async function findAttemptNeeds(db: Queries, attempt: number): Promise<AttemptNeeds> {
  const row = await db
    .selectFrom("attempts")
    .innerJoin("builds", "builds.id", "attempts.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select([
      "attempts.memory_bytes",
      "builds.organization_id",
      "derivations.system",
      "derivations.required_features_json",
      "derivations.facts_json",
    ])
    .where("attempts.number", "=", attempt)
    .executeTakeFirstOrThrow();
  return {
    organization: organizationIdSchema.parse(row.organization_id),
    system: row.system,
    requiredFeatures: readJsonColumn(stringListSchema, row.required_features_json),
    memoryBytes: row.memory_bytes,
    limitBytes: limitsOfAttempt(row).memoryBytes,
    maxBytes: limitsOf(row.facts_json).memoryBytes,
  };
}
