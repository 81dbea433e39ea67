import { useFrame, withToken } from "../frame/frame.ts";
import { Link, OutsideLink } from "../frame/link.tsx";
import { EvaluationBadge } from "../parts/badges.tsx";
import { Commit } from "../parts/commit.tsx";
import { CountsBar } from "../parts/counts.tsx";
import { Facts } from "../parts/facts.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age, Duration } from "../parts/quantities.tsx";
import { Table } from "../parts/table.tsx";
import { countText } from "../parts/words.ts";
import type { EvaluationRow, JobsetView } from "../views/jobset.ts";

/** /jobset/NAME. It follows the project's evaluations, where the browser has scripts. */
export function Jobset({ view }: { view: JobsetView }) {
  const { token } = useFrame();
  const { name } = view;
  const feed = `/events/rss?specification=${encodeURIComponent(name)}`;
  return (
    <div data-live={withToken(view.live, token)}>
      <h1>{name}</h1>
      {view.displayName === "" ? null : <p class="lead">{view.displayName}</p>}
      {view.description === "" ? null : <p class="lead">{view.description}</p>}
      <Facts
        facts={[
          ["Repository", <OutsideLink to={view.repository}>{view.repository}</OutsideLink>],
          ["Attributes", <code>{view.pattern}</code>],
          ["Systems", view.systems.length === 0 ? null : view.systems.join(", ")],
          ["State", view.isActive ? null : "inactive: nothing starts evaluations"],
          ["Checked", view.checkedAt === null ? null : <Age at={view.checkedAt} />],
          [
            "Last check",
            view.checkError === null ? null : <span class="fault">{view.checkError}</span>,
          ],
        ]}
      />
      <p class="views">
        {view.newest === null ? null : <Link to={`/eval/${view.newest}/dashboard`}>Dashboard</Link>}{" "}
        <Link to={feed}>RSS</Link>{" "}
        <Link to={`/jobset/${encodeURIComponent(name)}/badge.svg?type=1`}>Badge</Link>{" "}
        <Link to={`/search?query=${encodeURIComponent(`spec:${name}`)}`}>All builds</Link>
      </p>
      {view.evaluations.length === 0 ? (
        <p class="empty">It was not evaluated yet.</p>
      ) : (
        <Evaluations evaluations={view.evaluations} />
      )}
      <Pager pages={view.pages} />
    </div>
  );
}

function Evaluations({ evaluations }: { evaluations: readonly EvaluationRow[] }) {
  return (
    <Table
      caption="Evaluations, the newest first"
      columns={[
        { title: "Evaluation" },
        { title: "Commit" },
        { title: "Jobs" },
        { title: "Newly failed", class: "figure" },
        { title: "Duration", class: "figure wide" },
        { title: "Started", class: "figure wide" },
      ]}
    >
      {evaluations.map(({ number, state, commit, counts, startedAt, endedAt }) => (
        <tr key={number}>
          <th scope="row">
            <Link to={`/eval/${number}`}>#{number}</Link> <EvaluationBadge state={state} />
          </th>
          <td>{commit === null ? null : <Commit commit={commit} />}</td>
          <td>
            <CountsBar counts={counts} />
          </td>
          <td class="figure">
            {counts.newlyFailed === 0 ? (
              <span class="faint">0</span>
            ) : (
              <Link to={`/eval/${number}?status=newly-failed`} class="weather is-new-failure">
                {countText(counts.newlyFailed)}
              </Link>
            )}
          </td>
          <td class="figure wide">
            <Duration from={startedAt} to={endedAt} />
          </td>
          <td class="figure wide">
            <Age at={startedAt} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
