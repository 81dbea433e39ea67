import { Link } from "../frame/link.tsx";
import { StatusBadge } from "../parts/badges.tsx";
import { Age, Duration } from "../parts/quantities.tsx";
import { Table } from "../parts/table.tsx";
import { bytesText, durationText } from "../parts/words.ts";
import type { AttemptRow, HistoryRow } from "../views/build.ts";

const UNKNOWN = <span class="faint">not measured</span>;

/** Nothing for a build that was tried once: the page tells that one at its top. */
export function Attempts({ attempts }: { attempts: readonly AttemptRow[] }) {
  if (attempts.length < 2) return null;
  return (
    <Table
      caption="Attempts, the newest first"
      columns={[
        { title: "Attempt" },
        { title: "Status" },
        { title: "Machine", class: "wide" },
        { title: "Duration", class: "figure" },
        { title: "CPU", class: "figure" },
        { title: "Memory", class: "figure" },
        { title: "Message", class: "wide" },
      ]}
    >
      {attempts.map((attempt) => (
        <tr key={attempt.number}>
          <th scope="row">{attempt.number}</th>
          <td>{attempt.status}</td>
          <td class="wide">
            {attempt.worker === null ? null : (
              <Link to={`/machine/${attempt.worker.id}`}>{attempt.worker.name}</Link>
            )}
          </td>
          <td class="figure">
            <Duration from={attempt.startedAt} to={attempt.stoppedAt} />
          </td>
          <Measured cpuMs={attempt.cpuMs} memoryBytes={attempt.memoryBytes} />
          <td class="wide">{attempt.message}</td>
        </tr>
      ))}
    </Table>
  );
}

function Measured({ cpuMs, memoryBytes }: { cpuMs: number | null; memoryBytes: number | null }) {
  return (
    <>
      <td class="figure">{cpuMs === null ? UNKNOWN : durationText(cpuMs)}</td>
      <td class="figure">{memoryBytes === null ? UNKNOWN : bytesText(memoryBytes)}</td>
    </>
  );
}

/** `current` is the number of the build that is shown, which is marked. */
export function History({ history, current }: { history: readonly HistoryRow[]; current: number }) {
  if (history.length === 0) return null;
  return (
    <Table
      caption="Last builds of this job"
      columns={[
        { title: "Build" },
        { title: "Status" },
        { title: "Evaluation" },
        { title: "Duration", class: "figure" },
        { title: "CPU", class: "figure wide" },
        { title: "Memory", class: "figure wide" },
        { title: "Finished", class: "figure wide" },
      ]}
    >
      {history.map((build) => (
        <tr key={build.number}>
          <th scope="row">
            <Link to={`/build/${build.number}/details`} current={build.number === current}>
              #{build.number}
            </Link>
          </th>
          <td>
            <StatusBadge status={build.status} />
          </td>
          <td>
            <Link to={`/eval/${build.evaluation}`}>#{build.evaluation}</Link>
          </td>
          <td class="figure">
            <Duration from={build.startedAt} to={build.stoppedAt} />
          </td>
          <td class="figure wide">{build.cpuMs === null ? UNKNOWN : durationText(build.cpuMs)}</td>
          <td class="figure wide">
            {build.memoryBytes === null ? UNKNOWN : bytesText(build.memoryBytes)}
          </td>
          <td class="figure wide">
            {build.stoppedAt === null ? null : <Age at={build.stoppedAt} />}
          </td>
        </tr>
      ))}
    </Table>
  );
}
