import { useFrame, withToken } from "../frame/frame.ts";
import { Link, OutsideLink } from "../frame/link.tsx";
import { StatusBadge, WeatherMark } from "../parts/badges.tsx";
import { Commit } from "../parts/commit.tsx";
import { Facts } from "../parts/facts.tsx";
import { Duration, Instant } from "../parts/quantities.tsx";
import { BUILD_STATUSES } from "../parts/status.ts";
import { bytesText, plural } from "../parts/words.ts";
import { Attempts, History } from "./build-tables.tsx";
import { Usage } from "./build-usage.tsx";
import type { BuildChange, BuildView, DependencyView, ProductView } from "../views/build.ts";

/** /build/ID/details. It follows the build while it runs, where the browser has scripts. */
export function Build({ view }: { view: BuildView }) {
  const { token } = useFrame();
  const live = view.live === null ? {} : { "data-live": withToken(view.live, token) };
  return (
    <div {...live}>
      <h1>
        {view.job ?? view.name} <StatusBadge status={view.status} />{" "}
        <WeatherMark weather={view.weather} />
      </h1>
      {view.waitsFor === null ? null : <p class="lead">{view.waitsFor}</p>}
      {view.message === null ? null : <pre class="fault">{view.message}</pre>}
      <p class="views">
        {view.hasLog ? (
          <>
            <Link to={`/build/${view.number}/log`}>Log</Link>{" "}
            <Link to={`/build/${view.number}/log/raw`}>Raw log</Link>{" "}
          </>
        ) : null}
        <Link to={`/build/${view.number}`}>JSON</Link>
      </p>
      <BuildFacts view={view} />
      <Products products={view.products} />
      {view.usage === null ? null : <Usage usage={view.usage} />}
      <Attempts attempts={view.attempts} />
      <Dependencies dependencies={view.dependencies} count={view.dependencyCount} />
      <History history={view.history} current={view.number} />
    </div>
  );
}

function BuildFacts({ view }: { view: BuildView }) {
  const { change, firstFailure, worker } = view;
  return (
    <Facts
      facts={[
        ["Build", `#${view.number}`],
        ["Project", <Link to={`/jobset/${encodeURIComponent(view.jobset)}`}>{view.jobset}</Link>],
        ["Evaluation", <Link to={`/eval/${view.evaluation}`}>#{view.evaluation}</Link>],
        ["Name", view.name],
        ["System", view.system],
        ["Derivation", <code>{view.derivation}</code>],
        ["Queued", <Instant at={view.createdAt} />],
        ["Ready", view.readyAt === null ? null : <Instant at={view.readyAt} />],
        ["Started", view.startedAt === null ? null : <Instant at={view.startedAt} />],
        ["Finished", view.stoppedAt === null ? null : <Instant at={view.stoppedAt} />],
        [
          "Duration",
          view.startedAt === null ? null : <Duration from={view.startedAt} to={view.stoppedAt} />,
        ],
        [
          "Machine",
          worker === null ? null : <Link to={`/machine/${worker.id}`}>{worker.name}</Link>,
        ],
        ["Commit", change === null ? null : <Change change={change} />],
        [
          "Fails since",
          firstFailure === null ? null : (
            <>
              <Link to={`/build/${firstFailure.build}/details`}>#{firstFailure.build}</Link> of
              evaluation{" "}
              <Link to={`/eval/${firstFailure.evaluation}`}>#{firstFailure.evaluation}</Link>
            </>
          ),
        ],
        ...view.outputs.map(
          ({ name, path }) =>
            [
              `Output ${name}`,
              path === null ? "known when it is built" : <code key={name}>{path}</code>,
            ] as const,
        ),
      ]}
    />
  );
}

function Change({ change }: { change: BuildChange }) {
  const { commit, previous, rangeUrl } = change;
  return (
    <>
      <Commit commit={commit} />
      {previous === null || previous.hash === commit.hash ? null : (
        <div class="note">
          before: <Commit commit={previous} />{" "}
          {rangeUrl === null ? null : <OutsideLink to={rangeUrl}>compare</OutsideLink>}
        </div>
      )}
    </>
  );
}

function Products({ products }: { products: readonly ProductView[] }) {
  if (products.length === 0) return null;
  return (
    <section aria-labelledby="products">
      <h2 id="products">Downloads</h2>
      <ul class="products">
        {products.map(({ number, type, name, sizeBytes }) => (
          <li key={number}>
            <Link to={`/download/${number}`}>{name}</Link> <span class="faint">{type}</span>{" "}
            {sizeBytes === null ? null : bytesText(sizeBytes)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Dependencies({
  dependencies,
  count,
}: {
  dependencies: readonly DependencyView[];
  count: number;
}) {
  if (count === 0) return null;
  return (
    <details>
      <summary>
        <h2>{plural(count, "direct dependency").replace("dependencys", "dependencies")}</h2>
      </summary>
      <ul class="jobs">
        {dependencies.map(({ name, build, status }, at) => (
          <li key={at}>
            <span class={`mark is-${status}`} title={BUILD_STATUSES[status].text}>
              {BUILD_STATUSES[status].mark}
            </span>{" "}
            {build === null ? name : <Link to={`/build/${build}/details`}>{name}</Link>}
          </li>
        ))}
        {count > dependencies.length ? (
          <li class="faint">and {count - dependencies.length} more</li>
        ) : null}
      </ul>
    </details>
  );
}
