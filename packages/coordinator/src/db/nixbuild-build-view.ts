import type { Clock } from "../clock.ts";
import type { BuildObject, CpuAccounting } from "../nixbuild/build-object.ts";
import type { BuildFilter, Tag } from "../nixbuild/build-query.ts";
import type { Database, SqlValue } from "./client.ts";
import { jsonObject } from "./json-column.ts";
import { PlaceReader, type Condition, type Places } from "./place-reader.ts";

/** Reads of attempts for nixbuild.net's API, over some organizations together, in the order of their creation. */

const STARTED = "coalesce(a.started_at, a.assigned_at, a.created_at)";

/** As nixbuild.net writes times: a fraction without zeros at its end, and none when it is zero. */
function isoTime(milliseconds: string, microseconds: string): string {
  const second = `strftime('%Y-%m-%dT%H:%M:%S', ${milliseconds} / 1000, 'unixepoch')`;
  const fraction = `printf('.%06d', ${milliseconds} % 1000 * 1000 + ${microseconds})`;
  return `${second} || rtrim(rtrim(${fraction}, '0'), '.') || 'Z'`;
}

/** Rounded up. */
function quotient(value: string, divisor: number): string {
  return `cast(ceil(${value} / ${divisor}.0) as integer)`;
}

/** What an attempt has used until now counts while it runs. */
const CPU_SECONDS = `
  case when a.status = 'running' and asked.accounting = 'measured' then ${quotient("coalesce(a.cpu_time_ms, 0)", 1000)}
    when a.status = 'running' then ${quotient("coalesce(max(asked.now - coalesce(a.started_at, a.assigned_at), 0) * coalesce(a.cpu_count, 1), 0)", 1000)}
    when asked.accounting = 'measured' then a.measured_seconds else a.allocated_seconds end`;

const OUTPUTS = `json((
  select json_group_array(json_object('name', o.value ->> 'name', 'path', '/nix/store/' || (o.value ->> 'path'),
    'nar_hash', sri_hash(o.value ->> 'narHash'), 'nar_size_bytes', o.value ->> 'narSize'))
  from json_each(a.outputs_json) o))`;

const TAGS = `json((
  select json_group_object(t.name, t.value) from attempt_tags x join tags t on t.id = x.tag_id where x.attempt = a.number))`;

/** An attempt `a` with its derivation `d` in nixbuild.net's words. Counts are numbers always: clients compute with them. */
const MEMBERS: Readonly<Record<keyof BuildObject, string>> = {
  build_id: "a.number",
  create_time: isoTime("a.created_at", "0"),
  start_time: isoTime(STARTED, "a.started_us"),
  queue_time_seconds: `((${STARTED} - a.created_at) * 1000 + a.started_us) / 1000000.0`,
  duration_seconds: "a.duration_us / 1000000.0",
  build_status: "a.status",
  status: "a.status",
  status_message: "coalesce(a.message, iif(a.status = 'built', '', null))",
  cpu_count: "coalesce(a.cpu_count, 0)",
  allocated_megabytes: "coalesce(a.allocated_bytes, 0) / 1048576",
  cpu_seconds: CPU_SECONDS,
  peak_memory_use_kilobytes: quotient("a.memory_peak_bytes", 1024),
  peak_storage_use_kilobytes: quotient("a.storage_peak_bytes", 1024),
  derivation_path: "'/nix/store/' || d.drv_path",
  outputs: OUTPUTS,
  system: "d.system",
  tags: TAGS,
  restart_of_build_id: "a.restart_of",
  restarted_as_build_id: "a.restarted_as",
};

/** The database writes the answer: a thousand rows with as many columns cost twice as much when each value is fetched by itself. Rows come in the order of the numbers. */
const BUILDS = `
  select json_group_array(${jsonObject(MEMBERS)}) as builds
  from (select ? as numbers, ? as accounting, ? as now) asked
    cross join json_each(asked.numbers) wanted
    cross join attempts a on a.number = wanted.value
    cross join builds b on b.id = a.build_id
    cross join derivations d on d.id = b.derivation_id`;

export interface BuildTelling {
  readonly accounting: CpuAccounting;
  readonly clock: Clock;
}

export interface ListRequest extends BuildFilter {
  readonly organizations: readonly string[];
  /** Base name; null for all. */
  readonly drvPath: string | null;
  readonly limit: number;
}

/** More rows of a tag than this count as many. */
const MANY = 500;

/** Builds of nixbuild.net are attempts here. Answers are texts of JSON in its words, which the database writes; organizations are given as ids. */
export class NixbuildBuildView {
  readonly #reader: PlaceReader;
  readonly #telling: BuildTelling;

  constructor(database: Database, telling: BuildTelling) {
    this.#reader = new PlaceReader(database);
    this.#telling = telling;
  }

  /** A JSON array of the builds in the order of the numbers. */
  builds(numbers: readonly number[]): string {
    const { accounting, clock } = this.#telling;
    const values = [JSON.stringify(numbers), accounting, clock.now()];
    const [found] = this.all<{ builds: string }>(BUILDS, values);
    return found?.builds ?? "[]";
  }

  /** One build, read from the text again; null when there is none of the number. */
  build(number: number): BuildObject | null {
    // It is written by the names of the object's own members.
    const [build] = JSON.parse(this.builds([number])) as BuildObject[];
    return build ?? null;
  }

  /** Numbers of builds, the newest first. */
  list(request: ListRequest): number[] {
    const found = this.organizationsWith(request.organizations, request.tags);
    const sources = found.flatMap(({ organization, tagIds }) =>
      this.#sourcesOf(organization, tagIds, request),
    );
    const places = this.#reader.newest(sources, request.createdBefore, request.limit);
    return places.map(({ number }) => number);
  }

  /** Id of the organization whose attempt it is; null for one that does not exist. */
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
