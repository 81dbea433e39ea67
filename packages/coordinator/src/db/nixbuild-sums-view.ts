import { partsOf, type Period } from "../nixbuild/periods.ts";
import type { BuildFilter } from "../nixbuild/build-query.ts";
import { isAttemptState, type AttemptState } from "../scheduler/attempt-state.ts";
import { tagged, type NixbuildBuildView } from "./nixbuild-build-view.ts";

/** Figures of attempts added up. They are read from sums that change with the attempts; only what runs, and the edges of a period, is counted when asked. */

/** Of all attempts of one status. Times are null for those that have not ended. */
export interface StatusSums {
  readonly status: AttemptState;
  readonly attempts: number;
  /** Those that began. */
  readonly executed: number;
  readonly measuredSeconds: number;
  readonly allocatedSeconds: number;
  readonly durationMs: number;
  readonly outputNarBytes: number;
  readonly firstStartedAt: number | null;
  readonly lastStoppedAt: number | null;
}

type SumRow = Omit<StatusSums, "status"> & { status: string };

const STORED = `status, sum(attempts) as attempts, sum(executed) as executed, sum(measured_seconds) as "measuredSeconds",
  sum(allocated_seconds) as "allocatedSeconds", sum(duration_ms) as "durationMs", sum(output_nar_bytes) as "outputNarBytes",
  min(first_started_at) as "firstStartedAt", max(last_stopped_at) as "lastStoppedAt"`;

const COUNTED = `a.status, count(*) as attempts, count(a.duration_ms) as executed, sum(a.measured_seconds) as "measuredSeconds",
  sum(a.allocated_seconds) as "allocatedSeconds", coalesce(sum(a.duration_ms), 0) as "durationMs",
  coalesce(sum(a.output_nar_bytes), 0) as "outputNarBytes",
  min(coalesce(a.started_at, a.created_at)) as "firstStartedAt", max(coalesce(a.stopped_at, a.created_at)) as "lastStoppedAt"`;

const UNFINISHED = `a.status, count(*) as attempts, 0 as executed, 0 as "measuredSeconds", 0 as "allocatedSeconds", 0 as "durationMs",
  0 as "outputNarBytes", null as "firstStartedAt", null as "lastStoppedAt"`;

const ENDED = "a.status not in ('pending', 'running')";

export class NixbuildSumsView {
  readonly #builds: NixbuildBuildView;

  constructor(builds: NixbuildBuildView) {
    this.#builds = builds;
  }

  /** By status, over the organizations; a status may come several times. */
  summary(organizations: readonly string[], filter: BuildFilter): StatusSums[] {
    const period = { from: filter.createdFrom, before: filter.createdBefore };
    const rows = organizations.flatMap((organization) => {
      const tagIds = this.#builds.tagIds(organization, filter.tags);
      if (tagIds === null) return [];
      const unfinished = this.#unfinished(organization, tagIds, period);
      const [tag, ...others] = tagIds;
      if (others.length > 0) return [...unfinished, ...this.#counted(organization, tagIds, period)];
      const scope = tag === undefined ? "" : `tag:${tag}`;
      const { days, hours, rest } = partsOf(period);
      return [
        ...unfinished,
        ...(days === null ? [] : this.#stored(organization, scope, "day", days)),
        ...hours.flatMap((part) => this.#stored(organization, scope, "hour", part)),
        ...rest.flatMap((part) => this.#counted(organization, tagIds, part)),
      ];
    });
    const { statuses } = filter;
    return rows
      .map(sumsOf)
      .filter(({ status, attempts }) => attempts > 0 && (statuses?.includes(status) ?? true));
  }

  /** Of what stopped on the days, by status. */
  stopped(organizations: readonly string[], days: Period): StatusSums[] {
    return organizations
      .flatMap((organization) => this.#stored(organization, "", "stopped", days))
      .map(sumsOf);
  }

  #stored(organization: string, scope: string, unit: string, part: Period): SumRow[] {
    const sql = `
      select ${STORED} from attempt_sums
      where organization_id = ? and scope = ? and unit = ? and at >= ? and at < ? group by status`;
    return this.#builds.all(sql, [organization, scope, unit, part.from, part.before]);
  }

  #counted(organization: string, tagIds: readonly number[], part: Period): SumRow[] {
    const [rarest, ...others] = tagIds;
    const { source, key, values } =
      rarest === undefined
        ? { source: "attempts a", key: "a.organization_id = ?", values: [organization] }
        : {
            source: "attempt_tags x cross join attempts a on a.number = x.attempt",
            key: "x.tag_id = ?",
            values: [rarest],
          };
    const time = rarest === undefined ? "a.created_at" : "x.created_at";
    const more = tagged(others, "a.number");
    const conditions = [key, `${time} >= ?`, `${time} < ?`, ...more.map(({ sql }) => sql), ENDED];
    const sql = `select ${COUNTED} from ${source} where ${conditions.join(" and ")} group by a.status`;
    const moreValues = more.flatMap((condition) => condition.values);
    return this.#builds.all(sql, [...values, part.from, part.before, ...moreValues]);
  }

  #unfinished(organization: string, tagIds: readonly number[], { from, before }: Period): SumRow[] {
    const conditions = tagged(tagIds, "a.number");
    const sql = `
      select ${UNFINISHED} from attempts a
      where a.organization_id = ? and a.created_at >= ? and a.created_at < ? and a.status in ('pending', 'running')
        ${conditions.map((condition) => `and ${condition.sql}`).join(" ")}
      group by a.status`;
    const values = conditions.flatMap((condition) => condition.values);
    return this.#builds.all(sql, [organization, from, before, ...values]);
  }
}

function sumsOf(row: SumRow): StatusSums {
  const { status } = row;
  if (!isAttemptState(status)) throw new Error(`'${status}' is no status of an attempt`);
  return { ...row, status };
}
