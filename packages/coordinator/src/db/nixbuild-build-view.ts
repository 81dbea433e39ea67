import type { BuildFilter, Tag } from "../nixbuild/build-query.ts";
import type { Database, SqlValue } from "./client.ts";
import { PlaceReader, type Condition, type Places } from "./place-reader.ts";

/** Reads of attempts for nixbuild.net's API, over some organizations together, in the order of their creation. */

/** An attempt as the API shows it, in the database's form. */
export interface AttemptRow {
  number: number;
  organizationId: string;
  createdAt: number;
  startedAt: number | null;
  status: string;
  message: string | null;
  durationMs: number | null;
  cpuCount: number | null;
  allocatedBytes: number | null;
  allocatedSeconds: number;
  measuredSeconds: number;
  /** Milliseconds, also of one that runs. */
  cpuTimeMs: number | null;
  memoryPeakBytes: number | null;
  storagePeakBytes: number | null;
  /** Base name. */
  drvPath: string;
  system: string;
  /** As the attempt recorded them; null when it made none. */
  outputs: unknown;
  /** Values by name. */
  tags: unknown;
  restartOf: number | null;
  restartedAs: number | null;
}

/** Columns of an attempt `a`, its derivation `d` and its build, by the names that they have here. */
const COLUMNS: Readonly<Record<keyof AttemptRow, string>> = {
  number: "a.number",
  organizationId: "a.organization_id",
  createdAt: "a.created_at",
  startedAt: "coalesce(a.started_at, a.assigned_at)",
  status: "a.status",
  message: "a.message",
  durationMs: "a.duration_ms",
  cpuCount: "a.cpu_count",
  allocatedBytes: "a.allocated_bytes",
  allocatedSeconds: "a.allocated_seconds",
  measuredSeconds: "a.measured_seconds",
  cpuTimeMs: "a.cpu_time_ms",
  memoryPeakBytes: "a.memory_peak_bytes",
  storagePeakBytes: "a.storage_peak_bytes",
  drvPath: "d.drv_path",
  system: "d.system",
  outputs: "json(a.outputs_json)",
  tags: `json((select json_group_object(t.name, t.value) from attempt_tags x join tags t on t.id = x.tag_id
    where x.attempt = a.number))`,
  restartOf: "a.restart_of",
  restartedAs: "a.restarted_as",
};

/**
 * All rows as one value, a list of lists without names: a thousand rows with as many columns cost three times as much when each value is
 * fetched by itself.
 */
const ROWS = `
  select json_group_array(json_array(${Object.values(COLUMNS).join(", ")})) as rows
  from json_each(?) wanted
    cross join attempts a on a.number = wanted.value
    join builds b on b.id = a.build_id
    join derivations d on d.id = b.derivation_id`;

const COLUMN_NAMES = Object.keys(COLUMNS);

function rowOf(values: readonly unknown[]): AttemptRow {
  const row: Record<string, unknown> = {};
  for (const [at, name] of COLUMN_NAMES.entries()) row[name] = values[at];
  // The columns are written down by these names.
  return row as unknown as AttemptRow;
}

export interface ListRequest extends BuildFilter {
  readonly organizations: readonly string[];
  /** Base name; null for all. */
  readonly drvPath: string | null;
  readonly limit: number;
}

/** More rows of a tag than this count as many. */
const MANY = 500;

export class NixbuildBuildView {
  readonly #reader: PlaceReader;

  constructor(database: Database) {
    this.#reader = new PlaceReader(database);
  }

  /** In the order of the numbers. */
  rows(numbers: readonly number[]): AttemptRow[] {
    const [found] = this.all<{ rows: string }>(ROWS, [JSON.stringify(numbers)]);
    const rows = (JSON.parse(found?.rows ?? "[]") as unknown[][]).map(rowOf);
    // The database would copy all of it to sort it.
    const byNumber = new Map(rows.map((row) => [row.number, row]));
    return numbers.flatMap((number) => byNumber.get(number) ?? []);
  }

  /** Newest first. */
  list(request: ListRequest): AttemptRow[] {
    const found = this.organizationsWith(request.organizations, request.tags);
    const sources = found.flatMap(({ organization, tagIds }) =>
      this.#sourcesOf(organization, tagIds, request),
    );
    const places = this.#reader.newest(sources, request.createdBefore, request.limit);
    return this.rows(places.map(({ number }) => number));
  }

  organizationOf(number: number): string | null {
    const [row] = this.all<{ id: string | null }>(
      `select organization_id as id from attempts where number = ?`,
      [number],
    );
    return row?.id ?? null;
  }

  /** Of the organizations those that know all of the tags, each with their ids, the one on the fewest attempts first. */
  organizationsWith(
    organizations: readonly string[],
    tags: readonly Tag[],
  ): { organization: string; tagIds: number[] }[] {
    const found = tags.map((tag) => this.#tagIds(organizations, tag));
    return organizations.flatMap((organization) => {
      const ids = found.flatMap((byOrganization) => byOrganization.get(organization) ?? []);
      if (ids.length < tags.length) return [];
      return [{ organization, tagIds: this.#rarestFirst([...new Set(ids)]) }];
    });
  }

  #tagIds(organizations: readonly string[], { name, value }: Tag): Map<string, number> {
    const rows = this.all<{ organization: string; id: number }>(
      `select t.organization_id as organization, t.id from json_each(?) o
        cross join tags t on t.organization_id = o.value and t.name = ? and t.value = ?`,
      [JSON.stringify(organizations), name, value],
    );
    return new Map(rows.map(({ organization, id }) => [organization, id]));
  }

  #rarestFirst(ids: number[]): number[] {
    if (ids.length < 2) return ids;
    const counted = ids.map((id) => ({ id, count: this.#countTagged(id) }));
    return counted.sort((a, b) => a.count - b.count).map(({ id }) => id);
  }

  #countTagged(tag: number): number {
    const [row] = this.all<{ count: number }>(
      `select count(*) as count from (select 1 from attempt_tags where tag_id = ? limit ${MANY})`,
      [tag],
    );
    return row?.count ?? 0;
  }

  /** One for each status where there is an index for it. */
  #sourcesOf(organization: string, tagIds: readonly number[], request: ListRequest): Places[] {
    const { drvPath, statuses, createdFrom } = request;
    const from = { sql: "a.created_at >= ?", values: [createdFrom] };
    const own = { sql: "a.organization_id = ?", values: [organization] };
    if (drvPath !== null) {
      const source = `attempts a join builds b on b.id = a.build_id join derivations d on d.id = b.derivation_id`;
      const derivation = {
        sql: "d.organization_id = ? and d.drv_path = ?",
        values: [organization, drvPath],
      };
      const conditions = [derivation, from, ...tagged(tagIds, "a.number"), ...inStatus(statuses)];
      return [placesOf(source, conditions)];
    }
    const [rarest, ...others] = tagIds;
    if (rarest !== undefined) {
      const conditions = [
        { sql: "d.tag_id = ? and d.created_at >= ?", values: [rarest, createdFrom] },
        ...tagged(others, "d.attempt"),
        ...inStatus(statuses).map(({ sql, values }) => ({
          sql: `exists (select 1 from attempts a where a.number = d.attempt and ${sql})`,
          values,
        })),
      ];
      const columns = { createdAt: "d.created_at", number: "d.attempt" };
      return [placesOf("attempt_tags d", conditions, columns)];
    }
    if (statuses === null) return [placesOf("attempts a", [own, from])];
    return statuses.map((status) =>
      placesOf("attempts a", [own, { sql: "a.status = ?", values: [status] }, from]),
    );
  }

  /** Rows of a statement, which is prepared once. */
  all<Row>(sql: string, values: readonly SqlValue[]): Row[] {
    return this.#reader.all<Row>(sql, values);
  }
}

/** Newest first, before a place and so many: these are the last three question marks. */
function placesOf(
  source: string,
  conditions: readonly Condition[],
  columns = { createdAt: "a.created_at", number: "a.number" },
): Places {
  const { createdAt, number } = columns;
  const sql = `
    select ${createdAt} as "createdAt", ${number} as number from ${source}
    where ${conditions.map((condition) => condition.sql).join(" and ")}
      and (${createdAt}, ${number}) < (?, ?)
    order by ${createdAt} desc, ${number} desc limit ?`;
  return { sql, values: conditions.flatMap((condition) => condition.values) };
}

/** Holds for attempts with all of the tags. */
export function tagged(tagIds: readonly number[], attempt: string): Condition[] {
  return tagIds.map((id) => ({
    sql: `exists (select 1 from attempt_tags o where o.attempt = ${attempt} and o.tag_id = ?)`,
    values: [id],
  }));
}

/** In one parameter, so that there are few different statements. */
function inStatus(statuses: readonly string[] | null): Condition[] {
  if (statuses === null) return [];
  const sql = "a.status in (select value from json_each(?))";
  return [{ sql, values: [JSON.stringify(statuses)] }];
}
