import { OutsideLink } from "../frame/link.tsx";
import type { CommitView } from "../views/commit.ts";

/** The hash's first ten digits lead to the forge, where it has a page for the commit. */
export function Commit({ commit }: { commit: CommitView }) {
  return (
    <span class="commit">
      <OutsideLink to={commit.url}>
        <code>{commit.hash.slice(0, 10)}</code>
      </OutsideLink>{" "}
      {commit.subject}
    </span>
  );
}
