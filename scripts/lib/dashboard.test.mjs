import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const read = (name) => readFile(new URL(`../../docs/${name}`, import.meta.url), "utf8");

/** What Prometheus makes of a histogram's name. */
const withoutSuffix = (name) => name.replace(/_(?:bucket|sum|count)$/, "");

test("every metric of the dashboard is one that a daemon exports", async () => {
  const page = await read("metrics.md");
  const known = new Set(page.match(/(?<=`)gradient_\w+(?=`)/g));
  const { panels } = JSON.parse(await read("grafana.json"));
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const used = expressions.flatMap((text) => text.match(/\bgradient_\w+/g) ?? []);
  expect(used.length).toBeGreaterThan(20);
  for (const name of used) expect([...known]).toContain(withoutSuffix(name));
  const process = expressions.flatMap((text) => text.match(/\b(?:process|nodejs)_\w+/g) ?? []);
  for (const name of process) expect(page).toContain(name);
  // And nothing that is exported is forgotten.
  const shown = new Set(used.map(withoutSuffix));
  const hidden = [...known].filter((name) => !shown.has(name));
  expect(hidden).toEqual([
    "gradient_worker_info",
    "gradient_worker_draining",
    "gradient_worker_sessions_total",
  ]);
});
