import { partsOf, type Period } from "../nixbuild/periods.ts";
import type { BuildFilter } from "../nixbuild/build-query.ts";
import { isAttemptState, type AttemptState } from "../scheduler/attempt-state.ts";
import type { SqlValue } from "./client.ts";
import { tagged, type NixbuildBuildView } from "./nixbuild-build-view.ts";

/** Figures of attempts added up. They are read from sums that change with the attempts; only what runs, and the edges of a period, is counted when asked. */

/** Of all attempts of one status. Times are microseconds since the epoch, null for those that have not ended. */
export interface StatusSums {
  readonly status: AttemptState;
  readonly attempts: number;
  /** Those that began. */
  readonly executed: number;
  readonly measuredSeconds: number;
  readonly allocatedSeconds: number;
  readonly durationUs: number;
  readonly outputNarBytes: number;
  readonly firstStartedUs: number | null;
  readonly lastStoppedUs: number | null;
}

type SumRow = Omit<StatusSums, "status"> & { status: string };

const STORED = `s.status, sum(s.attempts) as attempts, sum(s.executed) as executed, sum(s.measured_seconds) as "measuredSeconds",
  sum(s.allocated_seconds) as "allocatedSeconds", sum(s.duration_us) as "durationUs", sum(s.output_nar_bytes) as "outputNarBytes",
  min(s.first_started_us) as "firstStartedUs", max(s.last_stopped_us) as "lastStoppedUs"`;

const COUNTED = `a.status, count(*) as attempts, count(a.duration_us) as executed, sum(a.measured_seconds) as "measuredSeconds",
  sum(a.allocated_seconds) as "allocatedSeconds", coalesce(sum(a.duration_us), 0) as "durationUs",
  coalesce(sum(a.output_nar_bytes), 0) as "outputNarBytes",
  min(coalesce(a.started_at, a.created_at) * 1000 + a.started_us) as "firstStartedUs",
  max(coalesce(a.stopped_at, a.created_at) * 1000 + a.stopped_us) as "lastStoppedUs"`;

const UNFINISHED = `a.status, count(*) as attempts, 0 as executed, 0 as "measuredSeconds", 0 as "allocatedSeconds", 0 as "durationUs",
  0 as "outputNarBytes", null as "firstStartedUs", null as "lastStoppedUs"`;

const ENDED = "a.status not in ('pending', 'running')";

/** An organization as a whole, or its attempts with one tag. */
interface Scope {
  readonly organization: string;
  readonly tag: number | null;
}

/** Many of them, all of the same kind, as one parameter. */
interface Scopes {
  readonly json: string;
  readonly isOfTag: boolean;
}

/** One statement over all scopes. The order of the joins is that of the text: each scope is looked up. */
const SCOPES = `(select value ->> 'organization' as organization, value ->> 'scope' as scope, value ->> 'tag' as tag from json_each(?)) w`;

/** Summaries cost the same for any number of attempts: months come from sums of days, edges of the period from sums of hours and from attempts. */
export class NixbuildSumsView {
  readonly #builds: NixbuildBuildView;

  constructor(builds: NixbuildBuildView) {
    this.#builds = builds;
  }

  /** By status, over the organizations; a status may come several times. */
  summary(organizations: readonly string[], filter: BuildFilter): StatusSums[] {
    const period = { from: filter.createdFrom, before: filter.createdBefore };
    const { statuses } = filter;
    return this.#summary(organizations, filter, period)
      .map(sumsOf)
      .filter(({ status, attempts }) => attempts > 0 && (statuses?.includes(status) ?? true));
  }

  #summary(organizations: readonly string[], { tags }: BuildFilter, period: Period): SumRow[] {
    if (tags.length === 0) return this.#summed(organizations.map(wholeOf), period);
    const found = this.#builds.organizationsWith(organizations, tags);
    if (tags.length === 1) {
      return this.#summed(
        found.map(({ organization, tagIds: [tag = null] }) => ({ organization, tag })),
        period,
      );
    }
    // Few attempts have several tags together: in each organization at most those of its rarest one.
    return found.flatMap(({ organization, tagIds: [tag = null, ...others] }) => {
      const scopes = scopesOf([{ organization, tag }]);
      return [...this.#unfinished(scopes, others, period), ...this.#ended(scopes, others, period)];
    });
  }

  #summed(parts: readonly Scope[], period: Period): SumRow[] {
    const scopes = scopesOf(parts);
    const { days, hours, rest } = partsOf(period);
    return [
      ...this.#unfinished(scopes, [], period),
      ...(days === null ? [] : this.#stored(scopes, "day", days)),
      ...hours.flatMap((part) => this.#stored(scopes, "hour", part)),
      ...rest.flatMap((part) => this.#ended(scopes, [], part)),
    ];
  }

  /** Of what stopped on the days, by status. */
  stopped(organizations: readonly string[], days: Period): StatusSums[] {
    const scopes = scopesOf(organizations.map(wholeOf));
    return this.#stored(scopes, "stopped", days).map(sumsOf);
  }

  #stored({ json }: Scopes, unit: string, part: Period): SumRow[] {
    const sql = `
      select ${STORED} from ${SCOPES} cross join attempt_sums s
        on s.organization_id = w.organization and s.scope = w.scope and s.unit = ? and s.at >= ? and s.at < ?
      group by s.status`;
    return this.#builds.all(sql, [json, unit, part.from, part.before]);
  }

  #ended({ json, isOfTag }: Scopes, others: readonly number[], part: Period): SumRow[] {
    const source = isOfTag
      ? `cross join attempt_tags x on x.tag_id = w.tag and x.created_at >= ? and x.created_at < ?
          cross join attempts a on a.number = x.attempt`
      : `cross join attempts a on a.organization_id = w.organization and a.created_at >= ? and a.created_at < ?`;
    return this.#perAttempt(`${COUNTED} from ${SCOPES} ${source} where ${ENDED}`, others, [
      json,
      part.from,
      part.before,
    ]);
  }

  /** There are few, and an index of them alone. */
  #unfinished({ json }: Scopes, others: readonly number[], period: Period): SumRow[] {
    const text = `${UNFINISHED} from ${SCOPES}
      cross join attempts a on a.organization_id = w.organization and a.created_at >= ? and a.created_at < ?
        and a.status in ('pending', 'running')
      where (w.tag is null or exists (select 1 from attempt_tags o where o.attempt = a.number and o.tag_id = w.tag))`;
    return this.#perAttempt(text, others, [json, period.from, period.before]);
  }

  #perAttempt(text: string, others: readonly number[], values: readonly SqlValue[]): SumRow[] {
    const more = tagged(others, "a.number");
    const conditions = more.map(({ sql }) => `and ${sql}`).join(" ");
    const sql = `select ${text} ${conditions} group by a.status`;
    return this.#builds.all(sql, [...values, ...more.flatMap((each) => each.values)]);
  }
}

function wholeOf(organization: string): Scope {
  return { organization, tag: null };
}

function scopesOf(parts: readonly Scope[]): Scopes {
  const rows = parts.map(({ organization, tag }) => ({
    organization,
    tag,
    scope: tag === null ? "" : `tag:${tag}`,
  }));
  return { json: JSON.stringify(rows), isOfTag: parts.some(({ tag }) => tag !== null) };
}

function sumsOf(row: SumRow): StatusSums {
  const { status } = row;
  if (!isAttemptState(status)) throw new Error(`'${status}' is no status of an attempt`);
  return { ...row, status };
}
