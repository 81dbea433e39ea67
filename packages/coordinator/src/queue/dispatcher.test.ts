import { sql } from "kysely";
import { expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { openScene } from "../test-scene.test-support.ts";

test("what was picked before a failure of the database is given out in a later round", async () => {
  const clock = new ManualClock();
  const findCredentials = () => Promise.reject(new Error("the key is damaged"));
  await using scene = await openScene({ clock, findCredentials });
  const { farm, organization, worker } = scene;
  const { kysely } = farm.database;
  const plain = await farm.addProject(organization.id);
  const secret = await farm.addProject(organization.id);
  await kysely
    .updateTable("projects")
    .set({ repository: "ssh://git@example.org/secret" })
    .where("id", "=", secret)
    .execute();
  const first = await farm.farm.evaluations.start({ projectId: plain, triggeredBy: null });
  const { assignment, fencing } = await worker.next("offer");
  // It gets nothing for a second, so that both are picked in the same round.
  worker.send({ type: "decline", assignment, fencing, reason: "not now" });
  await worker.settle();
  const refused = await farm.farm.evaluations.start({ projectId: secret, triggeredBy: null });
  // The evaluation without credentials cannot even be failed.
  await sql`
    create trigger full before update on evaluations
    when new.id = ${sql.lit(refused)} and new.state = 'Failed'
    begin select raise(abort, 'database or disk is full'); end
  `.execute(kysely);
  await clock.advance(1500);
  await worker.settle();
  expect(worker.pending("offer")).toBe(0);
  await sql`drop trigger full`.execute(kysely);
  await clock.advance(2000);
  const { spec } = await worker.takeOffer();
  expect(spec).toMatchObject({ kind: "fetch", evaluation: first });
  await expect
    .poll(() =>
      kysely.selectFrom("evaluations").select("state").where("id", "=", refused).execute(),
    )
    .toEqual([{ state: "Failed" }]);
});
