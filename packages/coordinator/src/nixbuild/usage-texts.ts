import type { UsageDay } from "../db/usage-view.ts";

/** What was used, for programs that read tables and for those that watch figures. */

const COLUMNS = [
  ["builds", (day: UsageDay) => day.builds],
  ["billable_builds", (day: UsageDay) => day.billableBuilds],
  ["measured_cpu_seconds", (day: UsageDay) => day.measuredSeconds],
  ["allocated_cpu_seconds", (day: UsageDay) => day.allocatedSeconds],
  ["billable_measured_cpu_seconds", (day: UsageDay) => day.billableMeasuredSeconds],
  ["billable_allocated_cpu_seconds", (day: UsageDay) => day.billableAllocatedSeconds],
] as const;

type ColumnName = (typeof COLUMNS)[number][0];

export type UsageItem = { day: string; group: string | null } & Record<ColumnName, number>;

/** `day` is YYYY-MM-DD in UTC; whole seconds. */
export function usageItem(day: UsageDay): UsageItem {
  return {
    day: dayText(day.at),
    group: day.group,
    ...(Object.fromEntries(COLUMNS.map(([name, figure]) => [name, figure(day)])) as Record<
      ColumnName,
      number
    >),
  };
}

/** RFC 4180, with a line of names. */
export function usageCsv(days: readonly UsageDay[]): string {
  const header = ["day", "group", ...COLUMNS.map(([name]) => name)];
  const lines = days.map((day) => [
    dayText(day.at),
    day.group ?? "",
    ...COLUMNS.map(([, figure]) => String(figure(day))),
  ]);
  return [header, ...lines].map((line) => `${line.map(csvField).join(",")}\r\n`).join("");
}

/** A spreadsheet would take a text that begins so for a formula; an apostrophe before it makes it a text. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Counters over all time, in Prometheus's text format. The days are those of all projects. */
export function usageMetrics(organization: string, days: readonly UsageDay[]): string {
  const totals = new Map<string, number[]>();
  for (const day of days) {
    const sums = totals.get(day.group ?? "") ?? COLUMNS.map(() => 0);
    totals.set(
      day.group ?? "",
      COLUMNS.map(([, figure], at) => (sums[at] ?? 0) + figure(day)),
    );
  }
  const metrics = COLUMNS.map(([name], at) => {
    const metric = `gradient_usage_${name}_total`;
    const lines = [...totals].map(
      ([project, sums]) =>
        `${metric}{organization="${label(organization)}",project="${label(project)}"} ${sums[at] ?? 0}\n`,
    );
    const about = `# HELP ${metric} ${name.replaceAll("_", " ")} of ended builds\n`;
    return `${about}# TYPE ${metric} counter\n${lines.join("")}`;
  });
  return metrics.join("");
}

function label(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function dayText(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
