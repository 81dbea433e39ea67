import { isAttemptState } from "../scheduler/attempt-state.ts";
import { isBillable } from "../nixbuild/summary.ts";
import type { Period } from "../nixbuild/periods.ts";
import type { NixbuildBuildView } from "./nixbuild-build-view.ts";
import type { SqlValue } from "./client.ts";

/** What an organization used, by the day on which builds stopped. */

/** By what the figures of each day are told apart: nothing, projects, or the values of one tag. */
export type UsageGroup =
  | { readonly by: "organization" }
  | { readonly by: "project" }
  | { readonly by: "tag"; readonly name: string };

export interface UsageDay {
  /** Its beginning, milliseconds since the epoch. */
  readonly at: number;
  /** The project's name, or the tag's value; null for the organization as a whole, and for a project that is gone. */
  readonly group: string | null;
  readonly builds: number;
  /** Those that began, and whose end was not the farm's own fault. */
  readonly billableBuilds: number;
  readonly measuredSeconds: number;
  readonly allocatedSeconds: number;
  readonly billableMeasuredSeconds: number;
  readonly billableAllocatedSeconds: number;
}

interface Row {
  at: number;
  groupId: string;
  group: string | null;
  status: string;
  attempts: number;
  executed: number;
  measuredSeconds: number;
  allocatedSeconds: number;
}

const FIGURES = `s.at, s.scope as "groupId", s.status, s.attempts, s.executed, s.measured_seconds as "measuredSeconds",
  s.allocated_seconds as "allocatedSeconds"`;
const DAYS = `s.unit = 'stopped' and s.at >= ? and s.at < ?`;

/** In the order of days, then of groups. */
export function readUsage(
  reads: NixbuildBuildView,
  organization: string,
  group: UsageGroup,
  { from, before }: Period,
): UsageDay[] {
  const { sql, values } = question(organization, group);
  const days = new Map<string, UsageDay>();
  for (const row of reads.all<Row>(sql, [...values, from, before])) {
    const key = `${row.at} ${row.groupId}`;
    days.set(key, plus(days.get(key), row));
  }
  return [...days.values()].sort(
    (a, b) => a.at - b.at || (a.group ?? "").localeCompare(b.group ?? ""),
  );
}

function question(organization: string, group: UsageGroup): { sql: string; values: SqlValue[] } {
  switch (group.by) {
    case "organization":
      return {
        sql: `select ${FIGURES}, null as "group" from attempt_sums s where s.organization_id = ? and s.scope = '' and ${DAYS}`,
        values: [organization],
      };
    case "project":
      return {
        sql: `select ${FIGURES}, (select name from projects where id = substr(s.scope, 9)) as "group" from attempt_sums s
          where s.organization_id = ? and s.scope >= 'project:' and s.scope < 'project;' and ${DAYS}`,
        values: [organization],
      };
    case "tag":
      return {
        sql: `select ${FIGURES}, t.value as "group" from tags t
          cross join attempt_sums s on s.organization_id = t.organization_id and s.scope = 'tag:' || t.id
          where t.organization_id = ? and t.name = ? and ${DAYS}`,
        values: [organization, group.name],
      };
  }
}

function plus(day: UsageDay | undefined, row: Row): UsageDay {
  const isCounted = isAttemptState(row.status) && isBillable(row.status);
  return {
    at: row.at,
    group: row.group,
    builds: (day?.builds ?? 0) + row.attempts,
    billableBuilds: (day?.billableBuilds ?? 0) + (isCounted ? row.executed : 0),
    measuredSeconds: (day?.measuredSeconds ?? 0) + row.measuredSeconds,
    allocatedSeconds: (day?.allocatedSeconds ?? 0) + row.allocatedSeconds,
    billableMeasuredSeconds:
      (day?.billableMeasuredSeconds ?? 0) + (isCounted ? row.measuredSeconds : 0),
    billableAllocatedSeconds:
      (day?.billableAllocatedSeconds ?? 0) + (isCounted ? row.allocatedSeconds : 0),
  };
}
