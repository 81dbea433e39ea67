import { sql } from "kysely";
import { expect, test } from "vitest";
import { TestFarm } from "../test-farm.test-support.ts";
import { EvaluationTasks } from "./evaluation-tasks.ts";

test("what the database could not tell is asked for again", async () => {
  await using farm = await TestFarm.open();
  const { kysely } = farm.database;
  const { project } = await farm.addOrganization();
  const evaluation = await farm.farm.evaluations.start({ projectId: project, triggeredBy: null });
  // Without a worker it waits for one.
  await kysely.updateTable("evaluations").set({ state: "Queued" }).execute();
  const tasks = new EvaluationTasks();
  tasks.note(evaluation);
  await sql`alter table assignments rename to away`.execute(kysely);
  await expect(tasks.refresh(kysely)).rejects.toThrow("assignments");
  await sql`alter table away rename to assignments`.execute(kysely);
  await tasks.refresh(kysely);
  expect(tasks.due(Date.now())).toMatchObject([{ evaluation, kind: "fetch" }]);
});
