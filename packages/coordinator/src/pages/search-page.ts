import type { Caller } from "../auth/caller.ts";
import { searchBuilds } from "../cuirass/search-builds.ts";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import type { PageServices } from "./page-services.ts";
import type { ViewOf } from "./shown.ts";
import { buildStatus, timesOf, weatherOf } from "./words.ts";

const PAGE = 50;
const MAX_PAGES = 20;
const MAX_HINTS = 10;
/** Newest builds that are looked through for different names. */
const LOOKED_THROUGH = 200;

/** Builds that a search finds, the newest first. `page` counts from 1. */
export async function searchPage(
  services: PageServices,
  caller: Caller,
  { query, page }: { query: string; page: number },
): Promise<ViewOf<"search">> {
  const none = { newer: null, older: null };
  if (query.trim() === "") return { kind: "search", query: "", builds: [], pages: none };
  const found = await searchBuilds(services, caller, query, page * PAGE + 1);
  const address = (to: number): string =>
    `/search?query=${encodeURIComponent(query)}${to === 1 ? "" : `&page=${to}`}`;
  return {
    kind: "search",
    query,
    builds: found.slice((page - 1) * PAGE, page * PAGE).map(searchRow),
    pages: {
      newer: page > 1 ? address(page - 1) : null,
      older: found.length > page * PAGE && page < MAX_PAGES ? address(page + 1) : null,
    },
  };
}

/** `job` is null for a build that only other builds need. */
export function searchRow(row: ProjectBuildRow): ViewOf<"search">["builds"][number] {
  return {
    number: row.number,
    status: buildStatus(row.status),
    weather: weatherOf(row.weather),
    job: row.isJob === 1 ? row.job : null,
    name: row.nixName,
    jobset: jobsetName(row),
    system: row.system,
    ...timesOf(row),
  };
}

/** What a search that begins like this could go on with: names of builds, or of projects behind `spec:`. */
export async function searchHints(
  services: PageServices,
  caller: Caller,
  query: string,
): Promise<string[]> {
  const words = query.split(/\s+/);
  const last = words.pop() ?? "";
  const before = words.map((word) => `${word} `).join("");
  const hints = last.startsWith("spec:")
    ? (await projectNames(services, caller)).map((name) => `spec:${name}`)
    : await buildNames(services, caller, query);
  const fitting = hints.filter((hint) => hint.startsWith(last) && hint !== last);
  return fitting.slice(0, MAX_HINTS).map((hint) => before + hint);
}

async function projectNames(
  { authority, cuirassJobsets }: PageServices,
  caller: Caller,
): Promise<string[]> {
  const organizations = await authority.organizationsToRead(caller);
  return cuirassJobsets.listJobsets(organizations).map(({ name }) => name);
}

async function buildNames(
  services: PageServices,
  caller: Caller,
  query: string,
): Promise<string[]> {
  if (query.trim() === "") return [];
  const found = await searchBuilds(services, caller, query, LOOKED_THROUGH);
  return [...new Set(found.map(({ nixName }) => nixName))];
}
