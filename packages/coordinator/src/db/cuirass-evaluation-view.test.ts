import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import type { Database } from "./client.ts";
import { CuirassEvaluationView, kindOfDifference } from "./cuirass-evaluation-view.ts";
import {
  addSceneBuilds,
  addSceneEvaluation,
  addSceneProject,
} from "./cuirass-scene.test-support.ts";
import { openPlannedDatabase } from "./planned-database.test-support.ts";

const FIRST = "1".repeat(40);
const SECOND = "2".repeat(40);

let directory: string;
let database: Database;
let evaluations: CuirassEvaluationView;

const packages = (name: string) => ["packages", "x86_64-linux", name];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cuirass-"));
  database = await openPlannedDatabase(join(directory, "farm.sqlite"));
  evaluations = new CuirassEvaluationView(database);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

test("an evaluation's status is the same in lists as by itself, whatever its state", async () => {
  const db = database.kysely;
  const project = await addSceneProject(db, {
    organization: "states",
    project: "web",
    isPublic: true,
  });
  const all: number[] = [];
  for (const state of EVALUATION_STATES) {
    for (const isEvaluated of [true, false]) {
      const bare = await addSceneEvaluation(db, project, { state, isEvaluated });
      const full = await addSceneEvaluation(db, project, { state, isEvaluated, commit: FIRST });
      await addSceneBuilds(db, project, full.id, [
        { name: "one-1", attribute: packages("one"), state: "Completed" },
      ]);
      all.push(bare.number, full.number);
    }
  }
  const objects = evaluations.evaluationObjects(all);
  expect(objects.map(({ status }) => status)).toEqual(
    evaluations.evaluations(all).map(({ status }) => status),
  );
  expect(new Set(objects.map(({ status }) => status))).toEqual(new Set([-1, 0, 1, 2]));
  for (const { status, evaltime, checkouts, id } of objects) {
    expect([id, evaltime > 0]).toEqual([id, status !== -1]);
    expect(checkouts).toHaveLength(all.indexOf(id) % 2);
  }
});

test("what two evaluations that are over have changed is looked for once, and how it ended always", async () => {
  const db = database.kysely;
  const project = await addSceneProject(db, {
    organization: "compared",
    project: "web",
    isPublic: true,
  });
  const [earlier, later] = [
    await addSceneEvaluation(db, project, { state: "Completed", commit: FIRST }),
    await addSceneEvaluation(db, project, { state: "Building", commit: SECOND }),
  ];
  const job = { attribute: packages("job"), attempt: "built" } as const;
  await addSceneBuilds(db, project, earlier.id, [{ name: "job-1", state: "Completed", ...job }]);
  const built = await addSceneBuilds(db, project, later.id, [
    { name: "job-2", state: "Completed", ...job },
  ]);
  const compared = () =>
    evaluations.evaluationDifference(later.number, earlier.number).map(kindOfDifference);
  const end = (id: string) =>
    db.updateTable("evaluations").set({ finished_at: 1 }).where("id", "=", id).execute();
  const forget = (id: string) => db.deleteFrom("jobs").where("evaluation_id", "=", id).execute();
  await end(earlier.id);
  expect(compared()).toEqual(["changed"]);
  await end(later.id);
  expect(compared()).toEqual(["changed"]);
  await forget(later.id);
  expect(compared()).toEqual(["changed"]);
  await db
    .updateTable("project_builds")
    .set({ status: 1 })
    .where("number", "=", built.get("job-2") ?? 0)
    .execute();
  expect(compared()).toEqual(["broken"]);
});

test("an evaluation of the commit that the one before it had is told to have no new one", async () => {
  const db = database.kysely;
  const project = await addSceneProject(db, {
    organization: "repeated",
    project: "web",
    isPublic: true,
  });
  for (const commit of [FIRST, FIRST, SECOND, FIRST]) {
    const { id } = await addSceneEvaluation(db, project, { state: "Completed", commit });
    const job = { name: "again-1", attribute: packages("again"), state: "Completed" } as const;
    await addSceneBuilds(db, project, id, [{ ...job, attempt: "built" }]);
  }
  const history = evaluations.jobsHistory({
    project: project.projectId,
    names: ["again.x86_64-linux"],
    limit: 9,
  });
  expect(history.map(({ evaluation }) => evaluation.isNewCommit)).toEqual([
    true,
    true,
    false,
    true,
  ]);
});
