import { Link } from "../frame/link.tsx";
import { BuildsTable } from "../parts/builds.tsx";
import { Pager } from "../parts/pager.tsx";
import type { SearchView } from "../views/search.ts";

const EXAMPLES: readonly [string, string][] = [
  ["hello", "builds whose name begins with hello"],
  ["system:x86_64-linux", "builds of one system"],
  ["spec:acme.tools", "builds of one project"],
  ["status:failed", "failed ones; also success, failed-dependency, failed-other, canceled"],
  ["hello spec:acme.tools status:success", "all of it together"],
];

/** /search. Without a query it tells what can be asked. */
export function Search({ view }: { view: SearchView }) {
  return (
    <>
      <h1>{view.query === "" ? "Search builds" : `Builds for “${view.query}”`}</h1>
      {view.query === "" ? null : <Results view={view} />}
      <details class="hints" open={view.builds.length === 0}>
        <summary>What can be asked</summary>
        <dl>
          {EXAMPLES.map(([query, meaning]) => (
            <div key={query}>
              <dt>
                <Link to={`/search?query=${encodeURIComponent(query)}`}>
                  <code>{query}</code>
                </Link>
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}

function Results({ view }: { view: SearchView }) {
  if (view.builds.length === 0) return <p class="empty">No build was found.</p>;
  return (
    <>
      <BuildsTable
        caption="Builds that were found"
        captionIsUnseen
        builds={view.builds}
        hasJobsets
      />
      <Pager pages={view.pages} />
    </>
  );
}
