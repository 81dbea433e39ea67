import { sql } from "kysely";
import { z } from "zod";
import { estimateOf, historyName, withRun, type Estimate, type Run } from "../scheduler/history.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn } from "./json-column.ts";

/** Whose runs are remembered together: those of one package for one system. Nothing is learned from other organizations. */
export interface HistoryKey {
  readonly organization: string;
  readonly system: string;
  /** See `historyName`. */
  readonly name: string;
}

/** Columns of a derivation that say which history is its. */
export function historyKeyOf(derivation: {
  organization_id: string;
  system: string;
  name: string;
  is_fixed_output: 0 | 1;
  pname: string | null;
}): HistoryKey {
  const { organization_id: organization, system, name, pname, is_fixed_output } = derivation;
  const isFixedOutput = is_fixed_output === 1;
  return { organization, system, name: historyName({ name, pname, isFixedOutput }) };
}

const runsSchema = z.array(
  z.object({
    peakBytes: z.number().nullable(),
    lackedBytes: z.number().nullable(),
    cores: z.number().nullable(),
  }),
);

const UNKNOWN: Estimate = { memoryBytes: null, cores: null };

/** One lookup for each history, however many builds share it. */
export async function findEstimates(
  db: Queries,
  keys: Iterable<HistoryKey>,
): Promise<(key: HistoryKey) => Estimate> {
  const wanted = new Map([...keys].map((key) => [textOf(key), key]));
  const estimates = new Map<string, Estimate>();
  for (const batch of batchesOf(wanted.values(), 200)) {
    const asked = batch.map(({ organization, system, name }) => [organization, system, name]);
    const { rows } = await sql<HistoryKey & { runs_json: string }>`
      select h.organization_id as organization, h.system, h.name, h.runs_json
      from json_each(${JSON.stringify(asked)}) k cross join run_histories h
        on h.organization_id = k.value ->> 0 and h.system = k.value ->> 1 and h.name = k.value ->> 2
    `.execute(db);
    for (const { runs_json, ...key } of rows) {
      estimates.set(textOf(key), estimateOf(readJsonColumn(runsSchema, runs_json)));
    }
  }
  return (key) => estimates.get(textOf(key)) ?? UNKNOWN;
}

/** Adds a run to the last ones of its package. */
export async function recordRun(
  db: Queries,
  { organization, system, name }: HistoryKey,
  run: Run,
): Promise<void> {
  const row = await db
    .selectFrom("run_histories")
    .select("runs_json")
    .where("organization_id", "=", organization)
    .where("system", "=", system)
    .where("name", "=", name)
    .executeTakeFirst();
  const runs = row === undefined ? [] : readJsonColumn(runsSchema, row.runs_json);
  const runs_json = JSON.stringify(withRun(runs, run));
  await db
    .insertInto("run_histories")
    .values({ organization_id: organization, system, name, runs_json })
    .onConflict((conflict) =>
      conflict.columns(["organization_id", "system", "name"]).doUpdateSet({ runs_json }),
    )
    .execute();
}

function textOf({ organization, system, name }: HistoryKey): string {
  return `${organization} ${system} ${name}`;
}
