import {
  buildLimitsOf,
  type BuildLimits,
  type DerivationFacts,
  type OrganizationId,
} from "@gradient/protocol";
import { z } from "zod";
import type { StatedNeeds } from "../scheduler/demand.ts";
import { batchesOf } from "./batches.ts";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import { readJsonColumn, stringListSchema } from "./json-column.ts";

const number = z.number().nullable().default(null);

/** The part of `facts_json` that the queue looks at. */
const statedFactsSchema = z.object({
  timeoutSeconds: number,
  maxSilentSeconds: number,
  minCpu: number,
  maxCpu: number,
  minMemoryMegabytes: number,
  maxMemoryMegabytes: number,
  pname: z.string().nullable().default(null),
});

/** What a derivation says of its own build. */
export interface StatedFacts {
  readonly limits: BuildLimits;
  readonly needs: StatedNeeds;
  readonly pname: string | null;
}

const MEBIBYTE = 2 ** 20;

/** Reads `facts_json`. A megabyte of memory is 2^20 bytes; 0 and what was not stated are null. */
export function statedFactsOf(factsJson: string): StatedFacts {
  const facts = readJsonColumn(statedFactsSchema, factsJson);
  const limits = buildLimitsOf(facts);
  const minMemoryBytes = (facts.minMemoryMegabytes ?? 0) * MEBIBYTE;
  const needs = {
    minMemoryBytes: Number.isSafeInteger(minMemoryBytes) ? minMemoryBytes || null : null,
    maxMemoryBytes: limits.memoryBytes,
    minCores: facts.minCpu || null,
    maxCores: limits.cores,
  };
  return { limits, needs, pname: facts.pname };
}

export interface NewDerivation {
  readonly drvPath: string;
  readonly name: string;
  readonly facts: DerivationFacts;
  /** Base names; null for an output that is addressed by its content. */
  readonly outputs: readonly { readonly name: string; readonly path: string | null }[];
  /** Base names of the input derivations and the outputs of them that are needed. */
  readonly inputs: readonly { readonly drvPath: string; readonly outputs: readonly string[] }[];
  /** Base names. */
  readonly sources: readonly string[];
}

/** Ids of the derivations that the organization has, by the base name of their path. */
export async function findDerivationIds(
  db: Queries,
  organization: OrganizationId,
  drvPaths: Iterable<string>,
): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for (const batch of batchesOf(drvPaths)) {
    const rows = await db
      .selectFrom("derivations")
      .select(["id", "drv_path"])
      .where("organization_id", "=", organization)
      .where("drv_path", "in", batch)
      .execute();
    for (const { id, drv_path } of rows) ids.set(drv_path, id);
  }
  return ids;
}

/**
 * Adds derivations with their outputs, sources and edges; the ones that are there already stay.
 * Inputs have to be there or earlier in the list.
 */
export async function insertDerivations(
  db: Queries,
  organization: OrganizationId,
  derivations: readonly NewDerivation[],
  now: number,
): Promise<void> {
  const added = new Set<string>();
  for (const batch of batchesOf(derivations, 100)) {
    const rows = batch.map((derivation) => ({
      organization_id: organization,
      drv_path: derivation.drvPath,
      name: derivation.name,
      system: derivation.facts.system,
      required_features_json: JSON.stringify(derivation.facts.requiredSystemFeatures),
      is_fixed_output: derivation.facts.isFixedOutput ? (1 as const) : (0 as const),
      facts_json: JSON.stringify(derivation.facts),
      created_at: now,
    }));
    const inserted = await db
      .insertInto("derivations")
      .values(rows)
      .onConflict((conflict) => conflict.columns(["organization_id", "drv_path"]).doNothing())
      .returning("drv_path")
      .execute();
    for (const { drv_path } of inserted) added.add(drv_path);
  }
  await insertParts(
    db,
    organization,
    derivations.filter(({ drvPath }) => added.has(drvPath)),
  );
}

async function insertParts(
  db: Queries,
  organization: OrganizationId,
  derivations: readonly NewDerivation[],
): Promise<void> {
  const inputPaths = derivations.flatMap(({ inputs }) => inputs.map(({ drvPath }) => drvPath));
  const paths = new Set([...derivations.map(({ drvPath }) => drvPath), ...inputPaths]);
  const ids = await findDerivationIds(db, organization, paths);
  const idOf = (drvPath: string): number => {
    const id = ids.get(drvPath);
    if (id === undefined)
      throw new Error(`derivation ${drvPath} is used as an input and is not known`);
    return id;
  };
  const outputs = derivations.flatMap((derivation) =>
    derivation.outputs.map(({ name, path }) => ({
      derivation_id: idOf(derivation.drvPath),
      name,
      path,
    })),
  );
  for (const rows of batchesOf(outputs))
    await db.insertInto("derivation_outputs").values(rows).execute();
  const sources = derivations.flatMap((derivation) =>
    derivation.sources.map((path) => ({ derivation_id: idOf(derivation.drvPath), path })),
  );
  for (const rows of batchesOf(sources))
    await db.insertInto("derivation_sources").values(rows).execute();
  const inputs = derivations.flatMap((derivation) =>
    derivation.inputs.map((input) => ({
      derivation_id: idOf(derivation.drvPath),
      input_id: idOf(input.drvPath),
      outputs_json: JSON.stringify(input.outputs),
    })),
  );
  for (const rows of batchesOf(inputs))
    await db.insertInto("derivation_inputs").values(rows).execute();
}

/** Records where an output lies whose path follows from its contents. */
export async function setOutputPath(
  db: Queries,
  derivationId: number,
  name: string,
  path: string,
): Promise<void> {
  await db
    .updateTable("derivation_outputs")
    .set({ path })
    .where("derivation_id", "=", derivationId)
    .where("name", "=", name)
    .execute();
}

/** Hot reads over derivations and their edges. They see what is committed. */
export interface DerivationReads {
  /** By organization and base name; null when it is not known. */
  id(organization: OrganizationId, drvPath: string): number | null;
  inputs(derivationId: number): number[];
  /** The outputs of input derivations that a build needs, where their paths are known. Base names. */
  inputPaths(derivationId: number): string[];
  sources(derivationId: number): string[];
  outputs(derivationId: number): { name: string; path: string | null }[];
  /** How many outputs no cache that the derivation's organization may read holds. */
  countMissingOutputs(derivationId: number): number;
}

/** Prepared once for a database: planning a large evaluation asks these for every derivation. */
export function prepareDerivationReads(database: Database): DerivationReads {
  const id: PreparedQuery<[string, string], { id: number }> = database.prepare(
    "select id from derivations where organization_id = ? and drv_path = ?",
  );
  const inputs: PreparedQuery<[number], { inputId: number }> = database.prepare(
    `select input_id as "inputId" from derivation_inputs where derivation_id = ?`,
  );
  const inputOutputs: PreparedQuery<
    [number],
    { name: string; path: string | null; wantedJson: string }
  > = database.prepare(
    `select o.name, o.path, i.outputs_json as "wantedJson" from derivation_inputs i
       join derivation_outputs o on o.derivation_id = i.input_id where i.derivation_id = ?`,
  );
  const sources: PreparedQuery<[number], { path: string }> = database.prepare(
    "select path from derivation_sources where derivation_id = ?",
  );
  const outputs: PreparedQuery<[number], { name: string; path: string | null }> = database.prepare(
    "select name, path from derivation_outputs where derivation_id = ? order by name",
  );
  const missing: PreparedQuery<[number], { count: number }> = database.prepare(
    `select count(*) as count from derivations d join derivation_outputs o on o.derivation_id = d.id
     where d.id = ? and not exists (
       select 1 from cache_subscriptions s
       join caches c on c.id = s.cache_id and c.active = 1
       join cache_paths p on p.cache_id = s.cache_id and p.hash_part = substr(o.path, 1, 32)
       where s.organization_id = d.organization_id and s.mode in ('ReadWrite', 'ReadOnly') and p.path = o.path)`,
  );
  return {
    id: (organization, drvPath) => id.get(organization, drvPath)?.id ?? null,
    inputs: (derivationId) => inputs.all(derivationId).map(({ inputId }) => inputId),
    inputPaths: (derivationId) =>
      inputOutputs.all(derivationId).flatMap(({ name, path, wantedJson }) => {
        const isWanted = readJsonColumn(stringListSchema, wantedJson).includes(name);
        return isWanted && path !== null ? [path] : [];
      }),
    sources: (derivationId) => sources.all(derivationId).map(({ path }) => path),
    outputs: (derivationId) => outputs.all(derivationId),
    countMissingOutputs: (derivationId) => missing.get(derivationId)?.count ?? 0,
  };
}
