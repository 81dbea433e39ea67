import { Link } from "../frame/link.tsx";
import { useFrame, withToken } from "../frame/frame.ts";
import { readLog } from "../log/phases.ts";
import { Phase } from "../log/log-text.tsx";
import { StatusBadge } from "../parts/badges.tsx";
import { bytesText } from "../parts/words.ts";
import type { LogView } from "../views/log.ts";

/** /build/ID/log. While the build runs the browser's script adds what comes; of a long log only the end is in the page. */
export function Log({ view }: { view: LogView }) {
  const { token } = useFrame();
  const { follow } = view;
  return (
    <>
      <h1>
        Log of <Link to={`/build/${view.number}/details`}>{view.title}</Link>{" "}
        <StatusBadge status={view.status} />
      </h1>
      <p class="views">
        <Link to={`/build/${view.number}/log/raw`}>Raw log</Link>
        {follow === null ? null : (
          <label class="follow" hidden data-tail>
            <input type="checkbox" checked /> Scroll along
          </label>
        )}
      </p>
      {view.skippedBytes === 0 ? null : (
        <p class="faint">
          The first {bytesText(view.skippedBytes)} are left out here; the raw log has all of it.
        </p>
      )}
      <div
        class="log-text"
        {...(follow === null ? {} : { "data-follow": withToken(follow, token) })}
      >
        {readLog(view.text).map((phase, at) => (
          <Phase key={at} phase={phase} />
        ))}
      </div>
      {view.text === "" ? (
        <p class="empty">{follow === null ? "There is no log." : "Nothing yet."}</p>
      ) : null}
    </>
  );
}
