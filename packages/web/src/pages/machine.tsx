import { BarChart, type Bar } from "../chart/bar-chart.tsx";
import { BuildsTable } from "../parts/builds.tsx";
import { Facts } from "../parts/facts.tsx";
import { Age } from "../parts/quantities.tsx";
import { Running } from "../parts/running.tsx";
import { countText } from "../parts/words.ts";
import { WorkerBadge } from "./workers.tsx";
import type { MachineHour, MachineView } from "../views/machine.ts";

/** /machine/ID. Hours are those of UTC. */
export function Machine({ view }: { view: MachineView }) {
  const { worker } = view;
  return (
    <div data-live="poll">
      <h1>
        {worker.name} <WorkerBadge state={worker.state} />
      </h1>
      <Facts
        facts={[
          ["Id", <code>{worker.id}</code>],
          ["Organization", worker.organization],
          ["Systems", worker.systems.length === 0 ? null : worker.systems.join(", ")],
          ["Features", worker.features.length === 0 ? null : worker.features.join(", ")],
          ["Slots", worker.slots],
          ["Seen", worker.lastSeenAt === null ? null : <Age at={worker.lastSeenAt} />],
          ["Runs", <Running builds={worker.builds} />],
        ]}
      />
      <BarChart
        title="Builds that ended, by hour"
        bars={view.hours.map(barOf)}
        format={countText}
        scale="tens"
      />
      {view.builds.length === 0 ? null : (
        <BuildsTable caption="Last builds on this machine" builds={view.builds} hasJobsets />
      )}
    </div>
  );
}

function barOf({ at, succeeded, failed }: MachineHour): Bar {
  const hour = new Date(at).toISOString();
  return {
    label: `${hour.slice(11, 13)}:00`,
    parts: [
      { class: "succeeded", value: succeeded },
      { class: "failed", value: failed },
    ],
    text: `${hour.slice(0, 10)} ${hour.slice(11, 13)}:00: ${succeeded} succeeded, ${failed} failed`,
  };
}
