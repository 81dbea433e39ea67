import { OutsideLink } from "../frame/link.tsx";
import type { CommitView } from "../views/commit.ts";

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
