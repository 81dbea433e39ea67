import { Link } from "../frame/link.tsx";
import { Age } from "../parts/quantities.tsx";
import { Table } from "../parts/table.tsx";
import { Running } from "../parts/running.tsx";
import type { WorkerRow, WorkerState, WorkersView } from "../views/workers.ts";

/** /workers. Workers are shown to members of the organizations that registered them. */
export function Workers({ view }: { view: WorkersView }) {
  return (
    <div data-live="poll">
      <h1>Workers</h1>
      {view.workers.length === 0 ? (
        <p class="empty">
          {view.isSignedIn
            ? "No worker is registered with your organizations."
            : "Workers are shown to members of their organizations: sign in to see them."}
        </p>
      ) : (
        <Table
          caption="Workers of your organizations"
          captionIsUnseen
          columns={[
            { title: "Machine" },
            { title: "State" },
            { title: "Systems", class: "wide" },
            { title: "Builds" },
            { title: "Seen", class: "figure wide" },
          ]}
        >
          {view.workers.map((worker) => (
            <WorkerLine key={`${worker.organization} ${worker.id}`} worker={worker} />
          ))}
        </Table>
      )}
    </div>
  );
}

function WorkerLine({ worker }: { worker: WorkerRow }) {
  const { slots, builds, lastSeenAt } = worker;
  return (
    <tr>
      <th scope="row">
        <Link to={`/machine/${worker.id}`}>{worker.name}</Link>
        <div class="note">{worker.organization}</div>
      </th>
      <td>
        <WorkerBadge state={worker.state} />
        {slots === null ? null : (
          <div class="note">
            {builds.length} of {slots} slots
          </div>
        )}
      </td>
      <td class="wide">
        {worker.systems.join(", ")}
        <div class="note">{worker.features.join(", ")}</div>
      </td>
      <td>
        <Running builds={builds} />
      </td>
      <td class="figure wide">{lastSeenAt === null ? null : <Age at={lastSeenAt} />}</td>
    </tr>
  );
}

const MARKS: Readonly<Record<WorkerState, [mark: string, look: string]>> = {
  connected: ["●", "succeeded"],
  draining: ["◐", "started"],
  away: ["○", "failed"],
  inactive: ["–", "canceled"],
};

/** Away is who was connected once and is not now; inactive is a registration that is switched off. */
export function WorkerBadge({ state }: { state: WorkerState }) {
  const [mark, look] = MARKS[state];
  return (
    <span class={`badge is-${look}`}>
      <span aria-hidden="true">{mark}</span> {state}
    </span>
  );
}
