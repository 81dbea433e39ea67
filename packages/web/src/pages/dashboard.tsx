import { useFrame, withQuery, withToken } from "../frame/frame.ts";
import { Link } from "../frame/link.tsx";
import { EvaluationBadge } from "../parts/badges.tsx";
import { squaresHtml } from "../parts/squares-html.ts";
import { shownText } from "../parts/squares.ts";
import { BUILD_STATUSES, type BuildStatus } from "../parts/status.ts";
import type { DashboardView } from "../views/dashboard.ts";

/** Browsers and servers take no addresses without an end; without the names the page is asked for again as a whole. */
const MAX_NAMES_LENGTH = 4000;

/** Where the API tells how the jobs stand. */
function dataAddress({ evaluation, system, names }: DashboardView): string {
  const path = withQuery("/api/jobs", { evaluation: String(evaluation), system });
  // The commas of the list stay commas.
  const list = names?.map(encodeURIComponent).join(",") ?? "";
  return list === "" || list.length > MAX_NAMES_LENGTH ? path : `${path}&names=${list}`;
}

const LEGEND: readonly BuildStatus[] = [
  "succeeded",
  "failed",
  "failed-dependency",
  "failed-other",
  "canceled",
  "started",
  "scheduled",
];

/** /eval/ID/dashboard: a square for each job. Squares are one text of HTML: tens of thousands of components would take seconds. */
export function Dashboard({ view }: { view: DashboardView }) {
  const { token } = useFrame();
  const { evaluation } = view;
  const shown = view.jobs.filter(({ job }) => job.includes(view.filter));
  const data = dataAddress(view);
  return (
    <div data-live={withToken(view.live, token)} data-dashboard={data}>
      <h1>
        Dashboard of <Link to={`/eval/${evaluation}`}>#{evaluation}</Link>{" "}
        <EvaluationBadge state={view.state} />
      </h1>
      <p class="views">
        {view.previous === null ? null : (
          <Link to={addressOf(view, { evaluation: view.previous })} rel="prev">
            ← #{view.previous}
          </Link>
        )}{" "}
        {view.next === null ? null : (
          <Link to={addressOf(view, { evaluation: view.next })} rel="next">
            #{view.next} →
          </Link>
        )}
      </p>
      <Controls view={view} />
      <output class="faint" data-shown>
        {shownText(shown.length, view.jobs.length)}
      </output>
      {view.jobs.length === 0 ? <p class="empty">There are no jobs yet.</p> : null}
      <ul
        class="squares"
        aria-label="Jobs"
        dangerouslySetInnerHTML={{ __html: squaresHtml(view.jobs, view.filter, token) }}
      ></ul>
      <Legend />
    </div>
  );
}

interface Place {
  evaluation?: number;
  system?: string | null;
}

function addressOf(view: DashboardView, place: Place): string {
  const { evaluation = view.evaluation, system = view.system } = place;
  const path = `/eval/${evaluation}/dashboard`;
  const dashboard = view.dashboard === null ? "" : `/${encodeURIComponent(view.dashboard)}`;
  const filter = view.filter === "" ? null : view.filter;
  return withQuery(path + dashboard, { system, filter });
}

function Controls({ view }: { view: DashboardView }) {
  const { token } = useFrame();
  return (
    <div class="controls">
      {view.systems.length < 2 ? null : (
        <nav class="tabs" aria-label="System">
          <Link to={addressOf(view, { system: null })} current={view.system === null}>
            All systems
          </Link>
          {view.systems.map((system) => (
            <Link key={system} to={addressOf(view, { system })} current={view.system === system}>
              {system}
            </Link>
          ))}
        </nav>
      )}
      <search aria-label="Jobs">
        {" "}
        <form data-filter>
          <label for="filter">Filter by name</label>{" "}
          <input id="filter" name="filter" type="search" value={view.filter} autocomplete="off" />
          {view.system === null ? null : <input type="hidden" name="system" value={view.system} />}
          {token === null ? null : <input type="hidden" name="token" value={token} />}{" "}
          <button>Filter</button>
        </form>
      </search>
    </div>
  );
}

function Legend() {
  return (
    <ul class="legend" aria-label="What the colours mean">
      {LEGEND.map((status) => (
        <li key={status}>
          <span class={`square is-${status}`} aria-hidden="true"></span>{" "}
          {BUILD_STATUSES[status].text}
        </li>
      ))}
    </ul>
  );
}
