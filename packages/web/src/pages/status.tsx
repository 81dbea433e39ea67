import { Link } from "../frame/link.tsx";
import { Progress } from "../parts/running.tsx";
import { Table } from "../parts/table.tsx";
import { countText, plural } from "../parts/words.ts";
import type { StatusView } from "../views/status.ts";

/** /status: what runs now of what the reader may see. */
export function Status({ view }: { view: StatusView }) {
  return (
    <div data-live="poll">
      <h1>Running builds</h1>
      <p class="lead">
        {plural(view.running.length, "build")} running, {countText(view.waiting)} waiting.
      </p>
      {view.running.length === 0 ? (
        <p class="empty">Nothing runs that you may see.</p>
      ) : (
        <Table
          caption="Running builds, the one that runs longest first"
          captionIsUnseen
          columns={[
            { title: "Build" },
            { title: "Project", class: "wide" },
            { title: "System", class: "wide" },
            { title: "Machine", class: "wide" },
            { title: "Progress" },
          ]}
        >
          {view.running.map((build, at) => (
            <tr key={at}>
              <th scope="row">
                {build.number === null ? (
                  build.name
                ) : (
                  <Link to={`/build/${build.number}/details`}>{build.name}</Link>
                )}
              </th>
              <td class="wide">
                {build.jobset === null ? null : (
                  <Link to={`/jobset/${encodeURIComponent(build.jobset)}`}>{build.jobset}</Link>
                )}
              </td>
              <td class="wide">{build.system}</td>
              <td class="wide">
                {build.worker === null ? null : (
                  <Link to={`/machine/${build.worker.id}`}>{build.worker.name}</Link>
                )}
              </td>
              <td>
                <Progress build={build} />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}
