import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { buildObject } from "../cuirass/build-object.ts";
import { jobObjectOf } from "../cuirass/evaluation-object.ts";
import { allJobsTexts } from "../cuirass/list-all-jobs.ts";
import { buildWords } from "../scheduler/api-words.ts";
import { ATTEMPT_STATES } from "../scheduler/attempt-state.ts";
import { BUILD_STATES } from "../scheduler/build-state.ts";
import type { Database } from "./client.ts";
import { CuirassBuildView } from "./cuirass-build-view.ts";
import { CuirassEvaluationView, kindOfDifference } from "./cuirass-evaluation-view.ts";
import { CuirassJobsetView } from "./cuirass-jobset-view.ts";
import {
  addSceneBuilds,
  addSceneEvaluation,
  addSceneProject,
  moveSceneBuild,
  sceneDrv,
  type SceneProject,
} from "./cuirass-scene.test-support.ts";
import { deleteEvaluationPart } from "./old-evaluation-repository.ts";
import { openPlannedDatabase } from "./planned-database.test-support.ts";

const LINUX = "x86_64-linux";
const ARM = "aarch64-linux";
const FIRST = "1".repeat(40);
const SECOND = "2".repeat(40);

let directory: string;
let database: Database;
let builds: CuirassBuildView;
let evaluations: CuirassEvaluationView;
let jobsets: CuirassJobsetView;
let acme: SceneProject;
let other: SceneProject;
let first: { id: string; number: number };
let second: { id: string; number: number };
let numbers: Map<string, number>;

const numberOf = (name: string): number => numbers.get(name) ?? 0;
const packages = (name: string, system = LINUX) => ["packages", system, name];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cuirass-"));
  database = await openPlannedDatabase(join(directory, "farm.sqlite"));
  builds = new CuirassBuildView(database);
  evaluations = new CuirassEvaluationView(database);
  jobsets = new CuirassJobsetView(database);
  const db = database.kysely;
  acme = await addSceneProject(db, { organization: "acme", project: "web", isPublic: true });
  other = await addSceneProject(db, { organization: "other", project: "web", isPublic: false });
  first = await addSceneEvaluation(db, acme, { state: "Completed", commit: FIRST });
  const a = await addSceneBuilds(db, acme, first.id, [
    { name: "glibc-2", state: "Substituted" },
    { name: "good-1", attribute: packages("good"), state: "Completed", attempt: "built" },
    {
      name: "bad-1",
      attribute: packages("bad"),
      state: "FailedPermanent",
      attempt: "build_failed",
    },
    { name: "same-1", attribute: packages("same"), state: "Completed", attempt: "built" },
    { name: "gone-1", attribute: packages("gone"), state: "Completed", attempt: "built" },
    { name: "arm-1", attribute: packages("arm", ARM), system: ARM, state: "Aborted" },
  ]);
  second = await addSceneEvaluation(db, acme, {
    state: "Building",
    commit: SECOND,
    source: "s-source",
  });
  const b = await addSceneBuilds(db, acme, second.id, [
    { name: "same-1", attribute: packages("same"), state: "Completed" },
    {
      name: "good-2",
      attribute: packages("good"),
      state: "FailedPermanent",
      attempt: "max_memory_exceeded",
    },
    { name: "bad-2", attribute: packages("bad"), state: "Completed", attempt: "built" },
    { name: "new-1", attribute: packages("new"), state: "Queued", attempt: "pending" },
    {
      name: "urgent-1",
      attribute: packages("urgent"),
      state: "Queued",
      attempt: "pending",
      priority: 49,
    },
    { name: "runs-1", attribute: packages("runs"), state: "Building", attempt: "running" },
    { name: "glibc-2", attribute: packages("glibc"), state: "Substituted" },
  ]);
  numbers = new Map([...a, ...b]);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

test("the database's table of statuses is the one of the code", () => {
  const find = database.prepare<[string, string], { status: number }>(
    "select status from cuirass_statuses where state = ? and attempt = ?",
  );
  for (const state of BUILD_STATES) {
    for (const attempt of [...ATTEMPT_STATES, null]) {
      const stored = find.get(state, attempt ?? "") ?? find.get(state, "");
      const wanted = buildWords(state, attempt).cuirass;
      expect([state, attempt, stored?.status]).toEqual([state, attempt, wanted]);
    }
  }
});

describe("a build of a project", () => {
  test("is registered once, by the first evaluation that has it, and its number rises with time", () => {
    expect(builds.buildByNumber(numberOf("same-1"))?.evaluation).toBe(first.number);
    expect(builds.buildByNumber(numberOf("good-2"))?.evaluation).toBe(second.number);
    expect(numberOf("good-2")).toBeGreaterThan(numberOf("arm-1"));
    expect(second.number).toBe(first.number + 1);
  });

  test("has a name of its own from the first job that is it, and before that its derivation's", () => {
    expect(builds.buildByNumber(numberOf("good-1"))).toMatchObject({
      job: `good.${LINUX}`,
      isJob: 1,
    });
    // Only needed by others in the first evaluation.
    expect(builds.buildByNumber(numberOf("glibc-2"))).toMatchObject({
      job: `glibc.${LINUX}`,
      isJob: 1,
      evaluation: first.number,
    });
  });

  test("has the weather since the same job was built before", () => {
    const weather = (name: string) => builds.buildByNumber(numberOf(name))?.weather;
    expect(["good-1", "good-2", "bad-2", "new-1", "same-1"].map(weather)).toEqual([
      -1, 1, 0, -1, -1,
    ]);
  });

  test("has another weather when it is built anew, and none while it waits", async () => {
    const weather = () => builds.buildByNumber(numberOf("bad-2"))?.weather;
    await moveSceneBuild(database.kysely, "bad-2", "Created");
    expect([weather(), builds.buildByNumber(numberOf("bad-2"))?.status]).toEqual([-1, -2]);
    await moveSceneBuild(database.kysely, "bad-2", "FailedTimeout");
    expect(weather()).toBe(3);
    await moveSceneBuild(database.kysely, "bad-2", "Created");
    await moveSceneBuild(database.kysely, "bad-2", "Completed");
    expect(weather()).toBe(0);
  });

  test("has times in whole seconds, and no start when it never began", () => {
    const object = (name: string) => {
      const { text, withProducts } = builds.buildsText([numberOf(name)]);
      expect(withProducts).toEqual([]);
      return z.array(buildObject).parse(JSON.parse(text))[0];
    };
    const base = Date.UTC(2027, 0, 10) / 1000;
    expect(object("good-1")).toEqual({
      id: numberOf("good-1"),
      evaluation: first.number,
      jobset: "acme.web",
      job: `good.${LINUX}`,
      timestamp: base + 12,
      starttime: base + 10,
      stoptime: base + 12,
      derivation: `/nix/store/${sceneDrv("good-1")}`,
      buildoutputs: {
        doc: { path: `/nix/store/${sceneDrv("good-1").slice(0, -4)}-doc` },
        out: { path: `/nix/store/${sceneDrv("good-1").slice(0, -4)}` },
      },
      system: LINUX,
      nixname: "good-1",
      buildstatus: 0,
      weather: -1,
      busy: 0,
      priority: 5,
      finished: 1,
      buildproducts: [],
    });
    expect(object("arm-1")).toMatchObject({
      buildstatus: 4,
      starttime: 0,
      stoptime: base + 30,
      timestamp: base + 30,
    });
    expect(object("runs-1")).toMatchObject({
      buildstatus: -1,
      busy: 1,
      finished: 0,
      starttime: base + 10,
      stoptime: 0,
      timestamp: base + 4,
    });
    expect(object("new-1")).toMatchObject({ buildstatus: -2, busy: 0, starttime: 0, stoptime: 0 });
    expect(object("glibc-2")).toMatchObject({
      buildstatus: 0,
      starttime: base + 5,
      stoptime: base + 5,
    });
    expect(object("good-2")).toMatchObject({ buildstatus: 3 });
  });
});

describe("lists of builds", () => {
  const latest = (filter: Partial<Parameters<CuirassBuildView["latestBuilds"]>[0]>) =>
    builds
      .builds(builds.latestBuilds({ projects: [acme.projectId], limit: 100, ...filter }))
      .map(({ nixName }) => nixName);

  test("have the newest evaluation first, whatever they are narrowed down by", () => {
    expect(latest({})).toEqual([
      "bad-2",
      "good-2",
      "arm-1",
      "gone-1",
      "same-1",
      "bad-1",
      "good-1",
      "glibc-2",
    ]);
    expect(latest({ limit: 3 })).toEqual(["bad-2", "good-2", "arm-1"]);
    expect(latest({ limit: 0 })).toEqual([]);
    expect(latest({ system: ARM })).toEqual(["arm-1"]);
    expect(latest({ job: [`good.${LINUX}`] })).toEqual(["good-2", "good-1"]);
    expect(latest({ job: [`good.${LINUX}`], status: 0 })).toEqual(["good-1"]);
    expect(latest({ status: 0 })).toEqual(["bad-2", "gone-1", "same-1", "good-1", "glibc-2"]);
    expect(latest({ status: 4, system: LINUX })).toEqual([]);
    expect(latest({ evaluation: second.number })).toEqual(["bad-2", "good-2"]);
    expect(latest({ evaluation: first.number, status: 1 })).toEqual(["bad-1"]);
    expect(latest({ projects: [] })).toEqual([]);
    expect(latest({ projects: [other.projectId] })).toEqual([]);
  });

  test("of what waits are in the order of scheduling", () => {
    const queue = (filter = {}) =>
      builds
        .builds(builds.queue({ projects: [acme.projectId, other.projectId], limit: 9, ...filter }))
        .map(({ nixName }) => nixName);
    expect(queue()).toEqual(["runs-1", "urgent-1", "new-1"]);
    expect(queue({ limit: 2 })).toEqual(["runs-1", "urgent-1"]);
    expect(queue({ job: [`new.${LINUX}`] })).toEqual(["new-1"]);
    expect(queue({ evaluation: first.number })).toEqual([]);
  });

  test("tell what has changed, what one job was, and what begins with a name", () => {
    const { projectId: project } = acme;
    const names = (rows: readonly { nixName: string }[]) => rows.map(({ nixName }) => nixName);
    expect(names(builds.changedBuilds({ projects: [project], limit: 9 }))).toEqual([
      "bad-2",
      "good-2",
    ]);
    expect(names(builds.jobBuilds({ project, job: `good.${LINUX}`, limit: 9 }))).toEqual([
      "good-2",
      "good-1",
    ]);
    const search = (filter: object) =>
      names(builds.searchBuilds({ projects: [project], name: "", limit: 99, ...filter }));
    expect(search({ name: "go" })).toEqual(["good-2", "gone-1", "good-1"]);
    expect(search({ name: "go", statuses: [3] })).toEqual(["good-2"]);
    expect(search({ name: "g_" })).toEqual([]);
    expect(search({ system: ARM })).toEqual(["arm-1"]);
    expect(search({ limit: 1 })).toEqual(["runs-1"]);
  });
});

describe("an evaluation", () => {
  test("has succeeded as soon as its jobs are known", () => {
    const { number } = second;
    expect(evaluations.evaluationObjects([number])).toEqual([
      {
        id: number,
        specification: "acme.web",
        status: 0,
        timestamp: Date.UTC(2027, 0, 10) / 1000,
        checkouttime: Date.UTC(2027, 0, 10) / 1000 + 1,
        evaltime: Date.UTC(2027, 0, 10) / 1000 + 3,
        checkouts: [{ commit: SECOND, channel: "web", directory: "/nix/store/s-source" }],
      },
    ]);
  });

  test("lists its jobs with the builds of the project, also those that it did not register", () => {
    const jobs = evaluations.evaluationJobs({ evaluation: second.number });
    expect(jobs.map(({ name }) => name)).toEqual(
      ["bad", "glibc", "good", "new", "runs", "same", "urgent"].map((name) => `${name}.${LINUX}`),
    );
    expect(jobs[5]).toEqual({ build: numberOf("same-1"), status: 0, name: `same.${LINUX}` });
    const named = {
      evaluation: second.number,
      names: [`same.${LINUX}`, "nothing", `bad.${LINUX}`],
    };
    expect(evaluations.evaluationJobs(named).map(({ build }) => build)).toEqual([
      numberOf("bad-2"),
      numberOf("same-1"),
    ]);
    expect(evaluations.evaluationJobs({ evaluation: first.number, system: ARM })).toHaveLength(1);
    expect(evaluations.evaluationJobs({ evaluation: 999 })).toEqual([]);
    expect(evaluations.countJobs(second.number)).toEqual(
      new Map([
        [-2, 2],
        [-1, 1],
        [0, 3],
        [3, 1],
      ]),
    );
  });

  test("lists them all the same when they are read in pieces", async () => {
    for (const of of [{ evaluation: second.number }, { evaluation: first.number, system: LINUX }]) {
      const whole = evaluations.evaluationJobs(of).map(jobObjectOf);
      for (const piece of [1, 3, whole.length, 100]) {
        const texts = await listOf(allJobsTexts(evaluations, of, piece));
        expect(texts).toHaveLength(Math.ceil(whole.length / piece));
        expect(JSON.parse(texts.join(""))).toEqual(whole);
      }
    }
    expect(await listOf(allJobsTexts(evaluations, { evaluation: 999 }))).toEqual(["[]"]);
  });

  test("is compared with an earlier one", () => {
    const difference = evaluations.evaluationDifference(second.number, first.number);
    expect(
      difference.map((each) => [each.name.replace(/\..*/, ""), kindOfDifference(each)]),
    ).toEqual([
      ["arm", "gone"],
      ["bad", "fixed"],
      ["glibc", "new"],
      ["gone", "gone"],
      ["good", "broken"],
      ["new", "new"],
      ["runs", "new"],
      ["urgent", "new"],
    ]);
    expect(evaluations.previousSucceeded({ ...acme, ...second })?.number).toBe(first.number);
    expect(evaluations.nextSucceeded({ ...acme, ...first })?.number).toBe(second.number);
    expect(evaluations.evaluationDifference(second.number, second.number)).toEqual([]);
  });

  test("stands in the history of its jobs", () => {
    const names = [`good.${LINUX}`, `bad.${LINUX}`, `arm.${ARM}`];
    const history = evaluations.jobsHistory({ project: acme.projectId, names, limit: 10 });
    expect(
      history.map(({ evaluation, jobs }) => [evaluation.number, jobs.map(({ status }) => status)]),
    ).toEqual([
      [second.number, [0, 3]],
      [first.number, [4, 1, 0]],
    ]);
    expect(
      evaluations.jobsHistory({ project: acme.projectId, names: ["nothing"], limit: 10 }),
    ).toEqual([]);
    expect(evaluations.jobsHistory({ project: acme.projectId, names, limit: 1 })).toHaveLength(1);
  });

  test("that has failed without jobs is neither the latest nor in histories, and its number is not used again", async () => {
    const db = database.kysely;
    const failed = await addSceneEvaluation(db, acme, { state: "Failed", isEvaluated: false });
    expect(evaluations.evaluationByNumber(failed.number)).toMatchObject({
      status: 1,
      commit: null,
    });
    expect(evaluations.latestSucceeded(acme.projectId)?.number).toBe(second.number);
    expect(
      evaluations
        .latestEvaluations({ projects: [acme.projectId, other.projectId], limit: 2 })
        .map(({ number }) => number),
    ).toEqual([failed.number, second.number]);
    while (await deleteEvaluationPart(db, failed.id));
    const next = await addSceneEvaluation(db, other, { state: "Queued", isEvaluated: false });
    expect(next.number).toBe(failed.number + 1);
  });
});

describe("what outputs name as products", () => {
  const products = () =>
    database.kysely
      .selectFrom("build_products")
      .select(["number", "build", "output", "position"])
      .orderBy("number")
      .execute();

  /** Shows an output of a build in a cache of the organization, with what it names. */
  async function show(path: string, named: number): Promise<void> {
    const db = database.kysely;
    const facts = { nar_size: 1, file_hash: "f", file_size: 1, compression: "zstd", created_at: 0 };
    await db
      .insertInto("nar_objects")
      .values({ nar_hash: path, ...facts })
      .execute();
    const entries = Array.from({ length: named }, () => ({ type: "file" }));
    await db
      .insertInto("nar_build_products")
      .values({ nar_hash: path, products_json: JSON.stringify(entries) })
      .execute();
    await db
      .insertInto("cache_paths")
      .values({
        cache_id: "cache",
        hash_part: path.slice(0, 32),
        path,
        nar_hash: path,
        references_json: "[]",
        signatures_json: "[]",
        fetch_count: 0,
        created_at: 0,
      })
      .execute();
  }

  test("has numbers from the end of the build, or from when somebody fetches a path that was substituted", async () => {
    const db = database.kysely;
    const settings = {
      description: "",
      active: 1,
      priority: 1,
      public: 0,
      max_storage_gb: 0,
      managed: 0,
      created_by: "",
      created_at: 0,
    } as const;
    await db
      .insertInto("caches")
      .values({ id: "cache", name: "cache", display_name: "", ...settings })
      .execute();
    await db
      .insertInto("cache_subscriptions")
      .values({
        organization_id: acme.organizationId,
        cache_id: "cache",
        mode: "ReadWrite",
        created_at: 0,
      })
      .execute();
    const output = (name: string) => sceneDrv(name).slice(0, -".drv".length);
    await show(output("new-1"), 2);
    expect(await products()).toEqual([]);
    await moveSceneBuild(db, "new-1", "Completed");
    const build = numberOf("new-1");
    const ofBuild = [
      { number: 1, build, output: "out", position: 0 },
      { number: 2, build, output: "out", position: 1 },
    ];
    expect(await products()).toEqual(ofBuild);
    await show(output("glibc-2"), 1);
    const fetched = { build: numberOf("glibc-2"), output: "out", position: 0 };
    expect((await products()).slice(2)).toMatchObject([fetched]);
    await moveSceneBuild(db, "new-1", "Queued");
  });
});

test("a project is found by its alias and by its names, and always called by one of them", async () => {
  const db = database.kysely;
  expect(jobsets.jobset("acme.web")?.projectId).toBe(acme.projectId);
  await db
    .updateTable("projects")
    .set({ alias: "guix" })
    .where("id", "=", acme.projectId)
    .execute();
  expect(["guix", "acme.web"].map((name) => jobsets.jobset(name)?.name)).toEqual(["guix", "guix"]);
  expect(["web", "", "acme", "acme.web.x", "acme."].map((name) => jobsets.jobset(name))).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
  expect(
    jobsets.listJobsets([acme.organizationId, other.organizationId]).map(({ name }) => name),
  ).toEqual(["guix", "other.web"]);
  expect(builds.systemsOf(acme.projectId)).toEqual([ARM, LINUX]);
});

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
