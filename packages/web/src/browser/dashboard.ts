import { shownText, squareText } from "../parts/squares.ts";
import { buildStatusOf } from "../parts/status.ts";
import { watchChanges } from "./changes.ts";
import { renew } from "./live.ts";
import { tellSquares } from "./tips.ts";

/** Filters squares while somebody types, and recolours them when builds change. */
export function enliven(dashboard: HTMLElement): void {
  const form = dashboard.querySelector<HTMLFormElement>("form[data-filter]");
  const input = form?.querySelector<HTMLInputElement>("input[name=filter]");
  if (form === null || input === null || input === undefined) return;
  input.addEventListener("input", () => {
    filter(dashboard, input.value);
    keepInAddress(input.value);
  });
  const squares = dashboard.querySelector<HTMLElement>(".squares");
  if (squares !== null) tellSquares(squares);
  form.addEventListener("submit", (event) => event.preventDefault());
  const { live, dashboard: data } = dashboard.dataset;
  if (live === undefined || data === undefined) return;
  watchChanges(live, async () => {
    await recolour(dashboard, data);
    filter(dashboard, input.value);
  });
}

function squaresOf(dashboard: HTMLElement): HTMLAnchorElement[] {
  return [...dashboard.querySelectorAll<HTMLAnchorElement>("a[data-job]")];
}

function filter(dashboard: HTMLElement, text: string): void {
  let shown = 0;
  const squares = squaresOf(dashboard);
  for (const square of squares) {
    const isShown = (square.dataset["job"] ?? "").includes(text);
    if (isShown) shown += 1;
    const item = square.parentElement;
    if (item !== null && item.hidden === isShown) item.hidden = !isShown;
  }
  const count = dashboard.querySelector("[data-shown]");
  if (count !== null) count.textContent = shownText(shown, squares.length);
  for (const link of dashboard.querySelectorAll<HTMLAnchorElement>(".tabs a, .views a[rel]")) {
    link.href = withFilter(link.href, text);
  }
}

function keepInAddress(text: string): void {
  history.replaceState(null, "", withFilter(location.href, text));
}

function withFilter(address: string, text: string): string {
  const url = new URL(address);
  if (text === "") url.searchParams.delete("filter");
  else url.searchParams.set("filter", text);
  return url.href;
}

interface Job {
  build: number;
  status: number;
  name: string;
}

/** Asks the API that everybody has. Jobs that came since make the whole page be asked for again, with what their names say. */
async function recolour(dashboard: HTMLElement, data: string): Promise<void> {
  const url = new URL(data, location.href);
  const token = new URLSearchParams(location.search).get("token");
  if (token !== null) url.searchParams.set("token", token);
  const answer = await fetch(url);
  const jobs: unknown = answer.ok ? await answer.json() : null;
  if (!Array.isArray(jobs)) return;
  const byName = new Map(jobs.filter(isJob).map((job) => [job.name, job]));
  const squares = squaresOf(dashboard);
  if (squares.length !== byName.size || isOver(dashboard, byName)) return renew();
  for (const square of squares) {
    const job = byName.get(square.dataset["job"] ?? "");
    if (job !== undefined) colour(square, job);
  }
}

function isJob(value: unknown): value is Job {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    "status" in value &&
    typeof value.name === "string" &&
    typeof value.status === "number"
  );
}

/** When the last build has ended the page says more than the squares do: durations, the evaluation's state. */
function isOver(dashboard: HTMLElement, jobs: ReadonlyMap<string, Job>): boolean {
  const wasOver = dashboard.querySelector(".squares .is-started, .squares .is-scheduled") === null;
  return !wasOver && [...jobs.values()].every(({ status }) => status >= 0);
}

function colour(square: HTMLAnchorElement, { name, status }: Job): void {
  const word = buildStatusOf(status);
  if (square.classList.contains(`is-${word}`)) return;
  square.className = `square is-${word}`;
  const text = squareText(name, word, null);
  if (square.hasAttribute("title")) square.title = text;
  square.setAttribute("aria-label", text);
}
