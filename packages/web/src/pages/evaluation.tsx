import { Fragment } from "preact";
import { useFrame, withQuery, withToken } from "../frame/frame.ts";
import { Link, OutsideLink } from "../frame/link.tsx";
import { EvaluationBadge } from "../parts/badges.tsx";
import { BuildsTable } from "../parts/builds.tsx";
import { Commit } from "../parts/commit.tsx";
import { CountsBar, totalOf } from "../parts/counts.tsx";
import { Facts } from "../parts/facts.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age, Duration } from "../parts/quantities.tsx";
import { countText, plural } from "../parts/words.ts";
import { Differences } from "./differences.tsx";
import type { Counts } from "../views/counts.ts";
import type { EvaluationMessage, EvaluationTab, EvaluationView } from "../views/evaluation.ts";

/** /eval/ID. It follows the evaluation while it goes on, where the browser has scripts. */
export function Evaluation({ view }: { view: EvaluationView }) {
  const { token } = useFrame();
  return (
    <div data-live={withToken(view.live, token)}>
      <h1>
        Evaluation #{view.number} <EvaluationBadge state={view.state} />
      </h1>
      {view.waitsFor === null ? null : <p class="lead">{view.waitsFor}</p>}
      <EvaluationFacts view={view} />
      <p class="views">
        <Link to={`/eval/${view.number}/dashboard`}>Dashboard</Link>{" "}
        {view.previous === null ? null : (
          <Link to={`/eval/${view.previous}`}>← #{view.previous}</Link>
        )}{" "}
        {view.next === null ? null : <Link to={`/eval/${view.next}`}>#{view.next} →</Link>}
      </p>
      <Messages messages={view.messages} />
      {view.difference === null ? null : <Differences difference={view.difference} />}
      <h2 id="builds">Jobs</h2>
      <Tabs number={view.number} tab={view.tab} counts={view.counts} />
      {view.builds.length === 0 ? (
        <p class="empty">There is none of these.</p>
      ) : (
        <BuildsTable caption={CAPTIONS[view.tab]} captionIsUnseen builds={view.builds} />
      )}
      <Pager pages={view.pages} words={["Back", "More"]} />
    </div>
  );
}

function EvaluationFacts({ view }: { view: EvaluationView }) {
  const { commit, previousCommit } = view;
  return (
    <Facts
      facts={[
        ["Commit", commit === null ? null : <Commit commit={commit} />],
        [
          "Changes since",
          previousCommit === null || previousCommit.hash === commit?.hash ? null : (
            <>
              <Commit commit={previousCommit} />{" "}
              {view.rangeUrl === null ? null : (
                <OutsideLink to={view.rangeUrl}>compare</OutsideLink>
              )}
            </>
          ),
        ],
        ["Started by", view.startedBy],
        ["Started", <Age at={view.createdAt} />],
        ["Duration", <Times view={view} />],
        ["Jobs", <CountsBar counts={view.counts} />],
      ]}
    />
  );
}

function Times({ view }: { view: EvaluationView }) {
  return (
    <>
      <Duration from={view.createdAt} to={view.endedAt} />
      <span class="faint">
        {view.phases.map(({ name, from, to }, at) => (
          <Fragment key={name}>
            {at === 0 ? ": " : ", "}
            {name} <Duration from={from} to={to} />
          </Fragment>
        ))}
      </span>
    </>
  );
}

function Messages({ messages }: { messages: readonly EvaluationMessage[] }) {
  if (messages.length === 0) return null;
  const errors = messages.filter(({ level }) => level === "error").length;
  return (
    <details class="messages" open={errors > 0 && messages.length <= 5}>
      <summary>
        Messages of the evaluation: {countText(messages.length)}
        {errors === 0 ? null : (
          <>
            {" "}
            <span class="weather is-new-failure">{plural(errors, "error")}</span>
          </>
        )}
      </summary>
      <ul>
        {messages.map(({ level, attribute, text }, at) => (
          <li key={at} class={`message is-${level}`}>
            <strong>{level}</strong> {attribute === null ? null : <code>{attribute}</code>}
            <pre>{text}</pre>
          </li>
        ))}
      </ul>
    </details>
  );
}

const CAPTIONS: Readonly<Record<EvaluationTab, string>> = {
  all: "All jobs",
  succeeded: "Jobs that succeeded",
  failed: "Jobs that failed",
  "newly-failed": "Jobs that failed and succeeded in the evaluation before",
  pending: "Jobs that run or wait",
};

function Tabs({ number, tab, counts }: { number: number; tab: EvaluationTab; counts: Counts }) {
  const tabs: readonly [EvaluationTab, string, number][] = [
    ["all", "All", totalOf(counts)],
    ["succeeded", "Succeeded", counts.succeeded],
    ["failed", "Failed", counts.failed],
    ["newly-failed", "Newly failed", counts.newlyFailed],
    ["pending", "Scheduled", counts.scheduled + counts.running],
  ];
  return (
    <nav class="tabs" aria-label="Jobs by status">
      {tabs.map(([name, text, count]) => (
        <Link
          key={name}
          to={`${withQuery(`/eval/${number}`, { status: name === "all" ? null : name })}#builds`}
          current={name === tab}
        >
          {text} <span class="count">{countText(count)}</span>
        </Link>
      ))}
    </nav>
  );
}
