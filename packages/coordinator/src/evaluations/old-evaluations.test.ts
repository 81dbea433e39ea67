import { afterEach, beforeEach, expect, test } from "vitest";
import { v7 as uuidv7 } from "uuid";
import { ManualClock } from "../manual-clock.test-support.ts";
import { TestFarm, type TestOrganization } from "../test-farm.test-support.ts";

let farm: TestFarm;
let clock: ManualClock;
let organization: TestOrganization;

beforeEach(async () => {
  clock = new ManualClock();
  farm = await TestFarm.open({ clock });
  organization = await farm.addOrganization();
});
afterEach(() => farm[Symbol.asyncDispose]());

/** Evaluations of a project with a commit, a message and an attribute each, the oldest first. */
async function addEvaluations(project: string, states: string[]): Promise<string[]> {
  const { kysely } = farm.database;
  const ids: string[] = [];
  for (const [created_at, state] of states.entries()) {
    const id = uuidv7();
    const commit_id = uuidv7();
    const author = { author_name: "a", author_email: "e" };
    await kysely
      .insertInto("commits")
      .values({ id: commit_id, hash: "a".repeat(40), message: "m", ...author, created_at })
      .execute();
    await kysely
      .insertInto("evaluations")
      .values({
        id,
        organization_id: organization.id,
        project_id: project,
        repository: "r",
        wildcard: "*",
        commit_id,
        state,
        created_at,
        updated_at: created_at,
      })
      .execute();
    await kysely
      .insertInto("evaluation_messages")
      .values({ evaluation_id: id, level: "Notice", text: "t", created_at })
      .execute();
    await kysely
      .insertInto("jobs")
      .values({ evaluation_id: id, attribute_json: '["x"]', error: "no", created_at })
      .execute();
    ids.push(id);
  }
  return ids;
}

async function left(table: "evaluations" | "commits"): Promise<string[]> {
  const rows = await farm.database.kysely
    .selectFrom(table)
    .select("id")
    .orderBy("created_at")
    .execute();
  return rows.map(({ id }) => id);
}

function keep(project: string, kept: number): Promise<unknown> {
  return farm.database.kysely
    .updateTable("projects")
    .set({ keep_evaluations: kept })
    .where("id", "=", project)
    .execute();
}

async function afterSweep(): Promise<void> {
  await clock.advance(2000);
}

test("a project keeps its newest evaluations, with what is theirs", async () => {
  await keep(organization.project, 2);
  const ids = await addEvaluations(organization.project, [
    "Completed",
    "Failed",
    "Aborted",
    "Completed",
  ]);
  await afterSweep();
  await expect.poll(() => left("evaluations"), { interval: 5 }).toEqual(ids.slice(2));
  expect(await left("commits")).toHaveLength(2);
  const messages = await farm.database.kysely
    .selectFrom("evaluation_messages")
    .select("evaluation_id")
    .orderBy("id")
    .execute();
  expect(messages.map((row) => row.evaluation_id)).toEqual(ids.slice(2));
});

test("an evaluation that is active stays, however old it is, and counts", async () => {
  await keep(organization.project, 1);
  const ids = await addEvaluations(organization.project, ["Building", "Completed", "Completed"]);
  await afterSweep();
  await expect.poll(() => left("evaluations"), { interval: 5 }).toEqual([ids[0], ids[2]]);
});

test("each project has its own number", async () => {
  const other = await farm.addProject(organization.id);
  await keep(organization.project, 1);
  await addEvaluations(organization.project, ["Completed", "Completed"]);
  await addEvaluations(other, ["Completed", "Completed"]);
  await afterSweep();
  await expect.poll(() => left("evaluations"), { interval: 5 }).toHaveLength(3);
});
