import { setImmediate as nextTurn } from "node:timers/promises";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findTrigger } from "../db/trigger-repository.ts";
import { NoFetchWorkerError, RepositoryUnreachableError } from "../errors.ts";
import { createLogger } from "../logger.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import type { Repositories } from "../ports.ts";
import { TestFarm, type TestOrganization } from "../test-farm.test-support.ts";
import { askForLook } from "./ask-for-look.ts";
import { changeTrigger, createTrigger } from "./change-trigger.ts";
import type { TriggerConfig } from "./trigger-config.ts";
import { TriggerRounds } from "./trigger-rounds.ts";

const FIRST = "1".repeat(40);
const SECOND = "2".repeat(40);

let farm: TestFarm;
let clock: ManualClock;
let organization: TestOrganization;
let rounds: TriggerRounds;
/** What every repository's head is, or why it has none. */
let head: string | Error;
let asked: Parameters<Repositories["head"]>[0][];
/** In place of `head`. */
let played: (() => Promise<string>) | null;

beforeEach(async () => {
  clock = new ManualClock();
  head = FIRST;
  played = null;
  asked = [];
  farm = await TestFarm.open({ clock });
  organization = await farm.addOrganization();
  rounds = start();
});
afterEach(async () => {
  await rounds[Symbol.asyncDispose]();
  await farm[Symbol.asyncDispose]();
});

function start(): TriggerRounds {
  return new TriggerRounds({
    database: farm.database,
    evaluations: farm.farm.evaluations,
    repositories: {
      head: async (question) => {
        asked.push(question);
        if (played !== null) return played();
        if (head instanceof Error) throw head;
        return head;
      },
    },
    clock,
    logger: createLogger("silent"),
    random: () => 0,
  });
}

function add(config: TriggerConfig, projectId = organization.project): Promise<string> {
  const of = { projectId, organizationId: organization.id };
  return createTrigger(farm.database.kysely, of, { config, isActive: true }, clock.now());
}

function playHead(run: () => Promise<string>): void {
  played = run;
}

/** Lets time pass second by second, and every look come to its end. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await clock.advance(1000);
    await rounds.idle();
  }
}

function evaluations() {
  return farm.database.kysely
    .selectFrom("evaluations")
    .select(["project_id", "revision", "reference", "trigger_id", "trigger_type", "state"])
    .orderBy("created_at")
    .orderBy("id")
    .execute();
}

function triggerOf(id: string, project = organization.project) {
  return findTrigger(farm.database.kysely, project, id);
}

describe("a hook", () => {
  const ask = () => askForLook(farm.database, organization.project, clock.now());
  const hook = () =>
    farm.database.kysely
      .selectFrom("triggers")
      .select(["due_at", "failures", "error"])
      .executeTakeFirst();

  test("looks once each time that it is asked to, and starts one evaluation for a commit", async () => {
    await ask();
    await ask();
    await pass(2);
    expect(await evaluations()).toMatchObject([
      { revision: FIRST, reference: null, trigger_type: "polling" },
    ]);
    await pass(600);
    expect(asked).toHaveLength(1);
    await ask();
    await pass(600);
    expect([asked.length, (await evaluations()).length]).toEqual([2, 1]);
    head = SECOND;
    await ask();
    await pass(2);
    expect(await evaluations()).toMatchObject([{ revision: FIRST }, { revision: SECOND }]);
  });

  test("looks again while it could not see, and when what it saw had to give way", async () => {
    head = new NoFetchWorkerError();
    await ask();
    await pass(2);
    expect(await hook()).toMatchObject({ error: expect.stringContaining("no worker") });
    head = FIRST;
    await farm.database.kysely.updateTable("projects").set({ concurrency: "skip" }).execute();
    await pass(340);
    expect(await evaluations()).toHaveLength(1);
    head = SECOND;
    await ask();
    await pass(2);
    expect(await evaluations()).toHaveLength(1);
    await farm.database.kysely.updateTable("evaluations").set({ state: "Completed" }).execute();
    await pass(340);
    expect(await evaluations()).toMatchObject([{ revision: FIRST }, { revision: SECOND }]);
    expect(await hook()).toEqual({ due_at: null, failures: 0, error: null });
  });

  test("hastens the triggers that poll, where there are some", async () => {
    await add({ type: "polling", interval_secs: 600, branch: "main" });
    await pass(5);
    expect(asked).toEqual([]);
    await ask();
    await pass(2);
    expect(await evaluations()).toMatchObject([{ revision: FIRST, reference: "refs/heads/main" }]);
    expect(asked).toHaveLength(1);
  });

  test("that is called while a look is under way has another look", async () => {
    await add({ type: "polling", interval_secs: 600 });
    const call = { isFirst: true };
    playHead(async () => {
      if (!call.isFirst) return SECOND;
      call.isFirst = false;
      await ask();
      return FIRST;
    });
    await ask();
    await pass(5);
    expect(await evaluations()).toMatchObject([{ revision: FIRST }, { revision: SECOND }]);
  });
});

describe("polling", () => {
  test("an evaluation starts for a new commit, and never twice for the same one", async () => {
    const id = await add({ type: "polling", interval_secs: 10, branch: "main" });
    await pass(12);
    const first = { revision: FIRST, reference: "refs/heads/main" };
    const trigger = { trigger_id: id, trigger_type: "polling" };
    expect(await evaluations()).toMatchObject([{ ...first, ...trigger }]);
    await pass(30);
    expect(await evaluations()).toHaveLength(1);
    expect(asked.length).toBeGreaterThan(2);
    head = SECOND;
    await pass(12);
    expect(await evaluations()).toMatchObject([{ revision: FIRST }, { revision: SECOND }]);
    // Also not when the branch is set back.
    head = FIRST;
    await pass(30);
    expect(await evaluations()).toHaveLength(2);
  });

  test("a commit that a person has evaluated is not evaluated again", async () => {
    const { project: projectId } = organization;
    await farm.farm.evaluations.start({ projectId, triggeredBy: "someone", revision: FIRST });
    await add({ type: "polling", interval_secs: 10 });
    await pass(12);
    expect(asked).toHaveLength(1);
    expect(await evaluations()).toHaveLength(1);
  });

  test("a commit is not evaluated again when its evaluation is not kept any more", async () => {
    await add({ type: "polling", interval_secs: 10 });
    await pass(12);
    await farm.database.kysely.deleteFrom("evaluations").execute();
    await pass(30);
    expect(asked.length).toBeGreaterThan(2);
    expect(await evaluations()).toEqual([]);
  });

  test("a commit that had to give way is evaluated as soon as it need not", async () => {
    await farm.database.kysely.updateTable("projects").set({ concurrency: "skip" }).execute();
    await add({ type: "polling", interval_secs: 10 });
    await pass(12);
    head = SECOND;
    await pass(24);
    expect(await evaluations()).toMatchObject([{ revision: FIRST }]);
    await farm.database.kysely.updateTable("evaluations").set({ state: "Completed" }).execute();
    await pass(12);
    expect(await evaluations()).toMatchObject([{ revision: FIRST }, { revision: SECOND }]);
  });

  test("a project with new settings is evaluated once more", async () => {
    await add({ type: "polling", interval_secs: 10 });
    await pass(12);
    await farm.database.kysely.updateTable("projects").set({ force_evaluation: 1 }).execute();
    await pass(30);
    expect(await evaluations()).toHaveLength(2);
  });

  test("a coordinator that starts again knows when to look, and what was evaluated", async () => {
    const id = await add({ type: "polling", interval_secs: 60 });
    await pass(62);
    const due = (await triggerOf(id))?.due_at;
    await rounds[Symbol.asyncDispose]();
    await farm.stop();
    await farm.start();
    rounds = start();
    expect((await triggerOf(id))?.due_at).toBe(due);
    await pass(30);
    expect(asked).toHaveLength(1);
    await pass(35);
    expect(asked).toHaveLength(2);
    expect(await evaluations()).toHaveLength(1);
  });

  test("a repository that cannot be reached is told, and looked at ever more seldom", async () => {
    const id = await add({ type: "polling", interval_secs: 10 });
    head = new RepositoryUnreachableError("fatal: no route", true);
    await pass(100);
    // After 10, then 20, 40 and 80 seconds.
    expect(asked).toHaveLength(3);
    expect(await triggerOf(id)).toMatchObject({ failures: 3, error: "fatal: no route" });
    expect(await evaluations()).toEqual([]);
    head = FIRST;
    await pass(60);
    expect(await triggerOf(id)).toMatchObject({ failures: 0, error: null });
    expect(await evaluations()).toHaveLength(1);
  });

  test("without a worker nothing is held against the repository", async () => {
    const id = await add({ type: "polling", interval_secs: 10 });
    head = new NoFetchWorkerError();
    await pass(35);
    expect(await triggerOf(id)).toMatchObject({
      failures: 0,
      error: expect.stringContaining("no worker"),
    });
    head = FIRST;
    await pass(12);
    expect(await evaluations()).toHaveLength(1);
  });

  test("an inactive project or trigger is not looked at", async () => {
    const id = await add({ type: "polling", interval_secs: 10 });
    await farm.database.kysely.updateTable("projects").set({ active: 0 }).execute();
    await pass(25);
    expect(asked).toEqual([]);
    await farm.database.kysely.updateTable("projects").set({ active: 1 }).execute();
    const trigger = await triggerOf(id);
    if (trigger === undefined) throw new Error("there is one");
    const of = { organizationId: organization.id, trigger };
    const off = { config: null, isActive: false };
    await changeTrigger(farm.database.kysely, of, off, clock.now());
    await pass(25);
    expect(asked).toEqual([]);
  });

  test("many projects that are due are not looked at together", async () => {
    for (let project = 0; project < 20; project += 1) {
      await add({ type: "polling", interval_secs: 10 }, await farm.addProject(organization.id));
    }
    let open = 0;
    let most = 0;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await rounds[Symbol.asyncDispose]();
    rounds = new TriggerRounds({
      database: farm.database,
      evaluations: farm.farm.evaluations,
      repositories: {
        head: async (question) => {
          asked.push(question);
          open += 1;
          most = Math.max(most, open);
          await released;
          open -= 1;
          return FIRST;
        },
      },
      clock,
      logger: createLogger("silent"),
      random: () => 0,
    });
    await clock.advance(11_000);
    while (asked.length < 8) await nextTurn();
    await clock.advance(5000);
    expect(asked).toHaveLength(8);
    release();
    await rounds.idle();
    // The others come at once, and not a second later each.
    expect(asked).toHaveLength(20);
    expect(new Set((await evaluations()).map(({ project_id }) => project_id)).size).toBe(20);
    expect(most).toBe(8);
  });
});

describe("times", () => {
  test("an evaluation starts at each time, also of the same commit, and without asking for it", async () => {
    const id = await add({ type: "time", cron: "*/20 * * * * *" });
    await pass(45);
    expect(asked).toEqual([]);
    expect(await evaluations()).toMatchObject([
      { revision: null, trigger_id: id, trigger_type: "time" },
      { revision: null, trigger_id: id, trigger_type: "time" },
    ]);
  });

  test("times that passed while nobody was there are made up for once", async () => {
    const id = await add({ type: "time", cron: "0 * * * * *" });
    await rounds[Symbol.asyncDispose]();
    await clock.advance(3_600_000);
    rounds = start();
    await pass(3);
    expect(await evaluations()).toHaveLength(1);
    expect((await triggerOf(id))?.due_at).toBeGreaterThan(clock.now());
  });
});

test("a project that is gone meanwhile is no trouble for the others", async () => {
  const gone = await farm.addProject(organization.id, uuidv7());
  await add({ type: "polling", interval_secs: 10 }, gone);
  await add({ type: "polling", interval_secs: 10 });
  await farm.database.kysely.deleteFrom("projects").where("id", "=", gone).execute();
  await pass(12);
  expect(await evaluations()).toHaveLength(1);
});
