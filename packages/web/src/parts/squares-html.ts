import { withToken } from "../frame/frame.ts";
import type { DashboardJob } from "../views/dashboard.ts";
import { squareText } from "./squares.ts";

/** A square for each job, hidden when its name does not have `filter` in it. Written as text: components for tens of thousands take ten times as long. */
export function squaresHtml(
  jobs: readonly DashboardJob[],
  filter: string,
  token: string | null,
): string {
  return jobs
    .map(({ job, build, status, duration }) => {
      const hidden = job.includes(filter) ? "" : " hidden";
      const href = escapeHtml(withToken(`/build/${build}/details`, token));
      const text = escapeHtml(squareText(job, status, duration));
      return `<li${hidden}><a href="${href}" class="square is-${status}" data-job="${escapeHtml(job)}" title="${text}" aria-label="${text}"></a></li>`;
    })
    .join("");
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", '"': "&quot;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<"]/g, (character) => ESCAPES[character] ?? character);
}
