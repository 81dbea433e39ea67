import { Link, OutsideLink } from "../frame/link.tsx";
import { EvaluationBadge } from "../parts/badges.tsx";
import { CountsBar } from "../parts/counts.tsx";
import { Age } from "../parts/quantities.tsx";
import { Table } from "../parts/table.tsx";
import { countText } from "../parts/words.ts";
import type { HomeView, JobsetRow, NewestEvaluation } from "../views/home.ts";

/** /. Projects that the reader may see, and to whom there are none why. */
export function Home({ view }: { view: HomeView }) {
  if (view.jobsets.length === 0) return <NothingYet isSignedIn={view.isSignedIn} />;
  return (
    <>
      <h1>Projects</h1>
      <Table
        caption="Projects with their newest evaluation"
        captionIsUnseen
        columns={[
          { title: "Project" },
          { title: "Newest evaluation" },
          { title: "Jobs" },
          { title: "Change", class: "wide" },
          { title: "Views", class: "wide" },
        ]}
      >
        {view.jobsets.map((jobset) => (
          <JobsetLine key={jobset.name} jobset={jobset} />
        ))}
      </Table>
    </>
  );
}

function NothingYet({ isSignedIn }: { isSignedIn: boolean }) {
  return (
    <>
      <h1>Projects</h1>
      <p class="empty">
        {isSignedIn
          ? "There is no project yet that you may see."
          : "There is no public project. Sign in to see those of your organizations."}
      </p>
      {isSignedIn ? (
        <p>
          Organizations, their workers and projects are made through the <a href="/api/docs">API</a>
          .
        </p>
      ) : null}
    </>
  );
}

function JobsetLine({ jobset }: { jobset: JobsetRow }) {
  const { name, newest, checkError } = jobset;
  const base = `/jobset/${encodeURIComponent(name)}`;
  return (
    <tr class={jobset.isActive ? undefined : "is-inactive"}>
      <th scope="row">
        <Link to={base} class="title">
          {name}
        </Link>
        {jobset.isActive ? null : <span class="badge is-canceled"> inactive</span>}
        <div class="note">
          {jobset.description === "" ? (
            <OutsideLink to={jobset.repository}>{jobset.repository}</OutsideLink>
          ) : (
            jobset.description
          )}
        </div>
      </th>
      {newest === null ? (
        <td colSpan={3} class="faint">
          not evaluated yet
          {checkError === null ? null : <div class="note fault">{checkError}</div>}
        </td>
      ) : (
        <Newest newest={newest} />
      )}
      <td class="views wide">
        {newest === null ? null : <Link to={`/eval/${newest.number}/dashboard`}>Dashboard</Link>}{" "}
        <Link to={`/events/rss?specification=${encodeURIComponent(name)}`}>RSS</Link>
      </td>
    </tr>
  );
}

function Newest({ newest }: { newest: NewestEvaluation }) {
  return (
    <>
      <td>
        <Link to={`/eval/${newest.number}`}>#{newest.number}</Link>{" "}
        <EvaluationBadge state={newest.state} />
        <div class="note">
          {newest.commit === null ? null : <code>{newest.commit.slice(0, 8)} </code>}
          <Age at={newest.startedAt} />
        </div>
      </td>
      <td>
        <CountsBar counts={newest.counts} />
      </td>
      <td class="wide">
        <Change broken={newest.counts.newlyFailed} fixed={newest.fixed} />
      </td>
    </>
  );
}

function Change({ broken, fixed }: { broken: number; fixed: number }) {
  return (
    <>
      {broken === 0 ? null : <span class="weather is-new-failure">{countText(broken)} broken</span>}{" "}
      {fixed === 0 ? null : <span class="weather is-new-success">{countText(fixed)} fixed</span>}
      {broken + fixed === 0 ? <span class="faint">none</span> : null}
    </>
  );
}
