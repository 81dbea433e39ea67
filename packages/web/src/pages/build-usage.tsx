import { LineChart } from "../chart/line-chart.tsx";
import { Facts } from "../parts/facts.tsx";
import { bytesText, durationText } from "../parts/words.ts";
import type { UsageSample, UsageView } from "../views/usage.ts";

/** What was not measured is left out; CPU time and memory say so, with the quality of what was. */
export function Usage({ usage }: { usage: UsageView }) {
  return (
    <section aria-labelledby="usage">
      <h2 id="usage">Measured</h2>
      <Facts
        facts={[
          ["CPU time", cpuText(usage)],
          ["Cores on average", usage.coresAverage === null ? null : coresText(usage.coresAverage)],
          ["Cores at most", usage.coresLimit === null ? null : coresText(usage.coresLimit)],
          ["Memory peak", memoryText(usage)],
          ["Memory on average", sizeText(usage.memoryAverageBytes)],
          ["Memory limit", sizeText(usage.memoryLimitBytes)],
          ["Killed for memory", usage.oomKills === 0 ? null : usage.oomKills],
          ["Read", sizeText(usage.ioReadBytes)],
          ["Written", sizeText(usage.ioWriteBytes)],
          ["Storage peak", sizeText(usage.storagePeakBytes)],
          ["Received", sizeText(usage.receivedBytes)],
          ["Sent", sizeText(usage.sentBytes)],
          ["Processes at most", usage.processesPeak],
          ["Waited for CPU", timeText(usage.cpuPressureMs)],
          ["Waited for memory", timeText(usage.memoryPressureMs)],
          ["Waited for I/O", timeText(usage.ioPressureMs)],
        ]}
      />
      <div class="charts">
        <LineChart
          title="Cores in use"
          points={coresInUse(usage.series)}
          format={coresText}
          scale="tens"
          formatX={durationText}
        />
        <LineChart
          title="Memory"
          points={usage.series.map(({ atMs, memoryBytes }) => ({ x: atMs, y: memoryBytes }))}
          format={bytesText}
          formatX={durationText}
          scale="bytes"
          limit={usage.memoryLimitBytes}
        />
      </div>
    </section>
  );
}

/** Between each two samples: CPU time by time. */
function coresInUse(series: readonly UsageSample[]): { x: number; y: number | null }[] {
  return series.slice(1).map((sample, at) => {
    const before = series[at];
    const spanMs = sample.atMs - (before?.atMs ?? 0);
    const isKnown =
      before !== undefined && before.cpuMs !== null && sample.cpuMs !== null && spanMs > 0;
    return {
      x: sample.atMs,
      y: isKnown ? Math.max(0, (sample.cpuMs ?? 0) - (before.cpuMs ?? 0)) / spanMs : null,
    };
  });
}

function cpuText({ cpuUserMs, cpuSystemMs, cpuQuality }: UsageView): string {
  if (cpuUserMs === null || cpuSystemMs === null) return "not measured";
  const parts = `${durationText(cpuUserMs)} user, ${durationText(cpuSystemMs)} system`;
  return `${durationText(cpuUserMs + cpuSystemMs)} (${parts}; ${cpuQuality})`;
}

function memoryText({ memoryPeakBytes, memoryQuality }: UsageView): string {
  return memoryPeakBytes === null
    ? "not measured"
    : `${bytesText(memoryPeakBytes)} (${memoryQuality})`;
}

function coresText(cores: number): string {
  if (cores < 0.1) return String(Number(cores.toFixed(4)));
  return cores >= 10 || Number.isInteger(cores) ? cores.toFixed(0) : cores.toFixed(2);
}

function sizeText(bytes: number | null): string | null {
  return bytes === null ? null : bytesText(bytes);
}

function timeText(milliseconds: number | null): string | null {
  return milliseconds === null ? null : durationText(milliseconds);
}
