import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Database, SqlValue } from "./client.ts";
import { finishedOfMany } from "./cuirass-build-places.ts";
import { CuirassBuildView } from "./cuirass-build-view.ts";
import { CuirassEvaluationView } from "./cuirass-evaluation-view.ts";
import {
  addSceneBuilds,
  addSceneEvaluation,
  addSceneProject,
  type SceneProject,
} from "./cuirass-scene.test-support.ts";
import { openPlannedDatabase } from "./planned-database.test-support.ts";

const LINUX = "x86_64-linux";
const ARM = "aarch64-linux";

/** Ten with thirty evaluations, in one transaction: each commit waits for the disk. */
function addManyProjects(database: Database): Promise<SceneProject[]> {
  const organization = "acme";
  return database.transaction(async ({ kysely: db }) => {
    const acme = await addSceneProject(db, { organization, project: "web", isPublic: true });
    const { organizationId } = acme;
    const projects: SceneProject[] = [];
    for (let at = 0; at < 10; at += 1) {
      const of = { organization, project: `many-${at}`, isPublic: true, organizationId };
      projects.push(await addSceneProject(db, of));
    }
    const states = ["Completed", "FailedPermanent", "Queued", "Building", "Aborted"] as const;
    for (let at = 0; at < 30; at += 1) {
      const project = projects[(at * 7) % 10] ?? acme;
      const of = { state: "Building", commit: String(at) } as const;
      const { id } = await addSceneEvaluation(db, project, of);
      const system = at % 3 === 0 ? ARM : LINUX;
      const attribute = ["packages", system, `job-${at % 4}`];
      const state = states[at % 5] ?? "Created";
      const waiting = { name: `many-waits-${at}`, priority: 40 + (at % 3) };
      await addSceneBuilds(db, project, id, [
        { name: `many-${at}`, attribute, system, state },
        { ...waiting, state: "Created" },
      ]);
    }
    return projects;
  });
}

test("lists over many projects are those of all of them together, however long they are", async () => {
  const directory = await mkdtemp(join(tmpdir(), "cuirass-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await using database = await openPlannedDatabase(join(directory, "farm.sqlite"));
  const builds = new CuirassBuildView(database);
  const evaluations = new CuirassEvaluationView(database);
  const projects = await addManyProjects(database);
  const ids = projects.slice(1).map(({ projectId }) => projectId);
  const stored = await database.kysely
    .selectFrom("project_builds")
    .selectAll()
    .where("project_id", "in", ids)
    .execute();
  const newestFirst = stored.toSorted((a, b) => b.evaluation - a.evaluation || b.number - a.number);
  type Row = (typeof stored)[number];
  const numbersOf = (rows: readonly { number: number }[]) => rows.map(({ number }) => number);
  const check = (list: (limit: number) => number[], wanted: readonly Row[]) => {
    for (const limit of [1, 5, 1000])
      expect(list(limit)).toEqual(numbersOf(wanted.slice(0, limit)));
  };
  const search = (filter: { name: string; statuses?: number[] }) => (limit: number) =>
    numbersOf(builds.searchBuilds({ projects: ids, limit, ...filter }));
  const latest = (filter: object) => (limit: number) =>
    builds.latestBuilds({ projects: ids, limit, ...filter });
  const finished = newestFirst.filter(({ status }) => status >= 0);
  check(latest({}), finished);
  check(
    latest({ status: 1 }),
    finished.filter(({ status }) => status === 1),
  );
  check(
    latest({ system: ARM, status: 0 }),
    finished.filter(({ system, status }) => system === ARM && status === 0),
  );
  const job = `job-1.${LINUX}`;
  check(
    latest({ job: [job] }),
    finished.filter((row) => row.job_name === job),
  );
  check(
    latest({ job: [job, "unknown"], system: LINUX, status: 1 }),
    finished.filter((row) => row.job_name === job && row.system === LINUX && row.status === 1),
  );
  const { evaluation } = finished[3] ?? { evaluation: 0 };
  check(
    latest({ status: 1, system: LINUX, evaluation }),
    finished.filter(
      (row) => row.evaluation === evaluation && row.system === LINUX && row.status === 1,
    ),
  );
  check(
    latest({ evaluation }),
    finished.filter((row) => row.evaluation === evaluation),
  );
  const waiting = stored
    .filter(({ status }) => status < 0)
    .toSorted((a, b) => b.status - a.status || a.priority - b.priority || a.number - b.number);
  const queue = (filter: object) => (limit: number) =>
    builds.queue({ projects: ids, limit, ...filter });
  check(queue({}), waiting);
  check(
    queue({ system: ARM }),
    waiting.filter(({ system }) => system === ARM),
  );
  const named = newestFirst.filter(({ nix_name: name }) => name.startsWith("many-1"));
  check(search({ name: "many-1" }), named);
  check(
    search({ name: "", statuses: [4] }),
    finished.filter(({ status }) => status === 4),
  );
  const all = evaluations.latestEvaluations({ projects: ids, limit: 1000 });
  expect(numbersOf(evaluations.latestEvaluations({ projects: ids, limit: 3 }))).toEqual(
    numbersOf(all.slice(0, 3)),
  );
  expect(all.length).toBe(27);
});

test.each([
  [{ job: ["hello.x86_64-linux"] }, "project_builds_of_job"],
  [{ status: 1 }, "project_builds_failed"],
])("finished builds of many projects with %j are read in the order of %s", async (of, index) => {
  const directory = await mkdtemp(join(tmpdir(), "cuirass-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await using database = await openPlannedDatabase(join(directory, "farm.sqlite"));
  const [places] = finishedOfMany({ projects: ["a", "b"], limit: 50, ...of }) ?? expect.fail();
  const { sql = "", values = [] } = places ?? {};
  const explain = database.prepare<SqlValue[], { detail: string }>(`explain query plan ${sql}`);
  const plan = explain.all(...values, 1, 1, 1).map(({ detail }) => detail);
  expect(plan[0]).toContain(`USING COVERING INDEX ${index}`);
  expect(plan.join()).not.toContain("TEMP B-TREE");
});
