import { keepAges } from "./ages.ts";
import { readCharts } from "./charts.ts";
import { keepLive } from "./live.ts";
import { suggestJobs } from "./search.ts";

/**
 * What makes the pages live. Each part looks for the elements that it is for; without them, and without this script, the page is
 * complete as it came.
 */
keepAges();
readCharts();
suggestJobs();

const dashboard = document.querySelector<HTMLElement>("[data-dashboard]");
const log = document.querySelector<HTMLElement>("[data-follow]");
if (dashboard !== null) {
  const { enliven } = await import("./dashboard.ts");
  enliven(dashboard);
} else if (log !== null) {
  const { follow } = await import("./log.tsx");
  await follow(log);
} else {
  keepLive();
}
