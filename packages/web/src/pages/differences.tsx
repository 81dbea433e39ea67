import { Link } from "../frame/link.tsx";
import { countText } from "../parts/words.ts";
import type { DifferenceGroup, DifferenceView } from "../views/difference.ts";

const TITLES = { new: "New", fixed: "Fixed", broken: "Broken", gone: "Gone" };

/** Groups without a job are left out; of a long one the first jobs are named, and the others counted. */
export function Differences({ difference }: { difference: DifferenceView }) {
  const groups = difference.groups.filter(({ count }) => count > 0);
  return (
    <section class="differences" aria-labelledby="differences">
      <h2 id="differences">
        Compared with <Link to={`/eval/${difference.previous}`}>#{difference.previous}</Link>
      </h2>
      {groups.length === 0 ? <p class="faint">The same jobs with the same results.</p> : null}
      {groups.map((group) => (
        <Group key={group.what} group={group} />
      ))}
    </section>
  );
}

function Group({ group }: { group: DifferenceGroup }) {
  const { what, count, jobs } = group;
  return (
    <details open={what === "broken" || what === "fixed"}>
      <summary>
        <span class={`difference is-${what}`}>{TITLES[what]}</span> {countText(count)}
      </summary>
      <ul class="jobs">
        {jobs.map(({ job, build }) => (
          <li key={job}>
            <Link to={`/build/${build}/details`}>{job}</Link>
          </li>
        ))}
        {count > jobs.length ? (
          <li class="faint">and {countText(count - jobs.length)} more</li>
        ) : null}
      </ul>
    </details>
  );
}
