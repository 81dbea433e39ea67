import { sql } from "kysely";
import { z } from "zod";
import { estimateOf, historyName, withRun, type Estimate, type Run } from "../scheduler/history.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn } from "./json-column.ts";
import type { RunHistoriesTable } from "./nixbuild-tables.ts";
import { reusable } from "./reusable-query.ts";

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

const selectHistories = reusable(
  (_db, keys: readonly (readonly string[])[]) => sql<HistoryKey & { runs_json: string }>`
    select h.organization_id as organization, h.system, h.name, h.runs_json
    from json_each(${keys}) k cross join run_histories h
      on h.organization_id = k.value ->> 0 and h.system = k.value ->> 1 and h.name = k.value ->> 2`,
);

/** One lookup for each history, however many builds share it. */
export async function findEstimates(
  db: Queries,
  keys: Iterable<HistoryKey>,
): Promise<(key: HistoryKey) => Estimate> {
  const wanted = new Map([...keys].map((key) => [textOf(key), key]));
  const estimates = new Map<string, Estimate>();
  const asked = [...wanted.values()].map(({ organization, system, name }) => [
    organization,
    system,
    name,
  ]);
  const { rows } = await selectHistories(db, asked);
  for (const { runs_json, ...key } of rows) {
    estimates.set(textOf(key), estimateOf(readJsonColumn(runsSchema, runs_json)));
  }
  return (key) => estimates.get(textOf(key)) ?? UNKNOWN;
}

const upsertHistory = reusable((db, history: RunHistoriesTable) =>
  db
    .insertInto("run_histories")
    .values(history)
    .onConflict((conflict) =>
      conflict
        .columns(["organization_id", "system", "name"])
        .doUpdateSet((eb) => ({ runs_json: eb.ref("excluded.runs_json") })),
    ),
);

/** Adds a run to the last ones of its package. */
export async function recordRun(
  db: Queries,
  { organization, system, name }: HistoryKey,
  run: Run,
): Promise<void> {
  const [row] = (await selectHistories(db, [[organization, system, name]])).rows;
  const runs = row === undefined ? [] : readJsonColumn(runsSchema, row.runs_json);
  const runs_json = JSON.stringify(withRun(runs, run));
  await upsertHistory(db, { organization_id: organization, system, name, runs_json });
}

function textOf({ organization, system, name }: HistoryKey): string {
  return `${organization} ${system} ${name}`;
}
