import { afterAll, beforeAll, expect, test } from "vitest";
import type { Server } from "./api.ts";
import { describedServices } from "./openapi/described-services.ts";
import { createHttpServer } from "./server.ts";

/** Who has the first word of a path. A route whose first word is not here would take a path from the pages, or from another API. */
const OWNERS: Readonly<Record<string, string>> = {
  api: "Gradient's API (v1), and Cuirass's",
  cache: "binary caches",
  proto: "workers",
  account: "pages about accounts",
  builds: "nixbuild.net's API",
  usage: "nixbuild.net's API",
  build: "Cuirass",
  output: "Cuirass",
  jobset: "Cuirass",
  jobsets: "Cuirass",
  specifications: "Cuirass",
  eval: "Cuirass",
  dashboard: "Cuirass",
  search: "Cuirass",
  log: "Cuirass",
  download: "Cuirass",
  events: "Cuirass",
  admin: "Cuirass's forms, which are refused",
  metrics: "Prometheus",
  status: "pages",
  workers: "pages",
  machine: "pages",
  static: "what pages load",
  "": "pages",
};

let app: Server;

beforeAll(async () => {
  app = await createHttpServer(describedServices(), () => Promise.resolve());
  await app.ready();
});
afterAll(() => app.close());

/** Paths of the router's tree, of which each line shows what it adds to the one above. */
function served(): string[] {
  const above: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .split("\n")
    .flatMap((line) => {
      const [, indent = "", part] = /^([│ ]*)[├└]── (\S*)/.exec(line) ?? [];
      if (part === undefined) return [];
      const depth = indent.length / 4;
      above[depth] = (above[depth - 1] ?? "") + part;
      return [above[depth]];
    });
}

test("every path of the router begins with a word that has an owner", () => {
  const words = new Set(served().map((path) => path.split(/[/*]/)[1] ?? ""));
  expect([...words].filter((word) => OWNERS[word] === undefined)).toEqual([]);
  expect(words).toContain("builds");
  expect(words).toContain("usage");
});

test("nixbuild.net's paths and Gradient's are apart", () => {
  expect(app.hasRoute({ method: "GET", url: "/builds/:id" })).toBe(true);
  expect(app.hasRoute({ method: "GET", url: "/builds/:id/attempts" })).toBe(false);
  expect(app.hasRoute({ method: "GET", url: "/api/v1/usage" })).toBe(false);
});
