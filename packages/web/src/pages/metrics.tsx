import { BarChart } from "../chart/bar-chart.tsx";
import { LineChart } from "../chart/line-chart.tsx";
import { Link } from "../frame/link.tsx";
import { Table } from "../parts/table.tsx";
import { countText, durationText, plural } from "../parts/words.ts";
import type { MetricsView } from "../views/metrics.ts";

/** /status/metrics: figures of what the reader may see. Days are those of UTC. */
export function Metrics({ view }: { view: MetricsView }) {
  return (
    <>
      <h1>Metrics</h1>
      <p class="lead">
        {plural(view.pending, "build")} pending. Today {plural(view.endedToday, "build")} ended,{" "}
        {countText(Math.round(view.perHour))} an hour. Of the last{" "}
        {plural(view.evaluations.length, "evaluation")} {countText(view.failedEvaluations)} failed.
      </p>
      <div class="charts">
        <BarChart
          title="Builds that ended, by day"
          bars={view.days.map(buildsBar)}
          format={countText}
          scale="tens"
        />
        <BarChart
          title="CPU time of builds, by day"
          bars={view.days.map(cpuBar)}
          format={durationText}
          scale="time"
        />
        <LineChart
          title="Evaluating"
          points={view.evaluations.map(({ number, evaluationMs }) => ({
            x: number,
            y: evaluationMs,
          }))}
          format={durationText}
          scale="time"
          formatX={(number) => `#${number}`}
        />
        <LineChart
          title="Evaluations from beginning to end"
          points={view.evaluations.map(({ number, totalMs }) => ({ x: number, y: totalMs }))}
          format={durationText}
          scale="time"
          formatX={(number) => `#${number}`}
        />
      </div>
      <Machines machines={view.machines} />
    </>
  );
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function buildsBar({ at, succeeded, failed }: MetricsView["days"][number]) {
  return {
    label: dayOf(at).slice(5),
    parts: [
      { class: "succeeded", value: succeeded },
      { class: "failed", value: failed },
    ],
    text: `${dayOf(at)}: ${countText(succeeded)} succeeded, ${countText(failed)} failed`,
  };
}

function cpuBar({ at, cpuMs }: MetricsView["days"][number]) {
  return {
    label: dayOf(at).slice(5),
    parts: [{ class: "running", value: cpuMs }],
    text: `${dayOf(at)}: ${durationText(cpuMs)}`,
  };
}

function Machines({ machines }: { machines: MetricsView["machines"] }) {
  if (machines.length === 0) return null;
  return (
    <Table
      caption="Builds of the last day, by machine"
      columns={[
        { title: "Machine" },
        { title: "Builds", class: "figure" },
        { title: "Busy", class: "figure" },
      ]}
    >
      {machines.map(({ id, name, builds, busyMs }) => (
        <tr key={id}>
          <th scope="row">
            <Link to={`/machine/${id}`}>{name}</Link>
          </th>
          <td class="figure">{countText(builds)}</td>
          <td class="figure">{durationText(busyMs)}</td>
        </tr>
      ))}
    </Table>
  );
}
