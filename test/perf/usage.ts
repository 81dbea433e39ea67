import type { UsageRecord } from "@gradient/protocol";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { type Moment, OutsideReader, type SeenGroup } from "./outside.ts";
import type { Row } from "./report.ts";

const ENDED_MS = 600_000;
/** A slot that waits for its next build has a group, too, and uses next to nothing. */
const IDLE_MS = 1000;

/** Each burns 4 s of CPU by the kernel's own count, then holds 200 MiB for a moment. */
function loads(count: number): string {
  return expression(`builtins.listToAttrs (builtins.genList (n: {
    name = "load-\${toString n}";
    value = mk "load-\${toString n}" ''
      ticks=0
      while [ $ticks -lt 400 ]; do
        round=0
        while [ $round -lt 1000 ]; do round=$((round + 1)); done
        read -r stat < /proc/self/stat
        set -- ''\${stat##*) }
        ticks=$((''\${12} + ''\${13}))
      done
      { dd if=/dev/zero bs=1M count=199; sleep 0.5; dd if=/dev/zero bs=1M count=1; } 2>/dev/null |
        dd bs=200M count=1 iflag=fullblock of=/dev/null 2>/dev/null
      echo > $out
    '' { };
  }) ${count})`);
}

/** What records say against a read of the same control groups from outside, and what it costs to make them. */
export async function usageRows(): Promise<Row[]> {
  return [...(await rowsOf(1)), ...(await rowsOf(4))];
}

async function rowsOf(builds: number): Promise<Row[]> {
  const farm = await TestFarm.start();
  const worker = await farm.addWorker("alpha", {
    flags: ["--max-concurrent-builds", String(builds)],
  });
  const reader = new OutsideReader(worker.daemon?.pid ?? 0, worker.stateDir);
  try {
    await farm.addFilesProject("loads", "*", { "default.nix": loads(builds) });
    const evaluation = await farm.evaluate("loads");
    await farm.ended(evaluation, ENDED_MS);
    const views = await Promise.all(
      (await farm.api.builds(evaluation)).map(({ id }) =>
        farm.api.call<{ usage: UsageRecord }>("GET", `/builds/${id}`),
      ),
    );
    return compare(
      views.map(({ usage }) => usage),
      [...reader.groups.values()].filter(({ cpuMs }) => cpuMs > IDLE_MS),
      reader.moments,
    );
  } finally {
    await farm[Symbol.asyncDispose]();
    reader.close();
  }
}

function compare(
  records: readonly UsageRecord[],
  seen: readonly SeenGroup[],
  moments: readonly Moment[],
): Row[] {
  const label = `${records.length} build${records.length === 1 ? "" : "s"} at once`;
  const cpu = worst(
    records.map((usage) => (usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0)),
    seen.map(({ cpuMs }) => cpuMs),
  );
  const memory = worst(
    records.map(({ memoryPeakBytes }) => memoryPeakBytes ?? 0),
    seen.map(({ memoryPeakBytes }) => memoryPeakBytes),
  );
  const row = { unit: "%", theirs: null, better: "less" } as const;
  return [
    { ...row, what: `CPU of a record, ${label}`, ours: cpu, against: "outside", target: 5 },
    { ...row, what: `memory of a record, ${label}`, ours: memory, against: "outside", target: 10 },
    {
      ...row,
      what: `CPU of the whole worker while it only measures, ${label}`,
      ours: costShare(moments),
      against: "CPU of builds",
      target: 2,
    },
  ];
}

/** Largest distance in percent, smallest with smallest and so on. */
function worst(measured: readonly number[], outside: readonly number[]): number {
  const theirs = outside.toSorted((one, other) => one - other);
  const distances = measured
    .toSorted((one, other) => one - other)
    .map((value, index) => {
      const other = theirs[index] ?? Number.NaN;
      return (100 * Math.abs(value - other)) / other;
    });
  return Math.max(...distances);
}

/** In the time in which the builds used the middle part of their CPU time: nothing starts and nothing ends. */
function costShare(moments: readonly Moment[]): number {
  const total = moments.at(-1)?.buildsMs ?? 0;
  const first = moments.find(({ buildsMs }) => buildsMs > 0.2 * total);
  const last = moments.findLast(({ buildsMs }) => buildsMs < 0.9 * total);
  if (first === undefined || last === undefined) return Number.NaN;
  return (100 * (last.workerMs - first.workerMs)) / (last.buildsMs - first.buildsMs);
}
