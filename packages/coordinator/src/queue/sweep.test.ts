import { expect, test } from "vitest";
import { acceptLease, findLease } from "../db/assignment-repository.ts";
import { DEFAULT_RETRY_POLICY } from "../builds/verdict.ts";
import { createLogger } from "../logger.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation } from "../test-objects.test-support.ts";
import { buildStates, evaluate, openScene } from "../test-scene.test-support.ts";
import { changesOf } from "./change.ts";
import { Sweep } from "./sweep.ts";

const nothing = async (): Promise<void> => {};

test("what is accepted while the sweep is on its way to it is kept", async () => {
  await using scene = await openScene({ clock: new ManualClock() });
  const { farm, worker } = scene;
  await evaluate(scene, [makeDerivation("pkg")]);
  const { fencing } = await worker.next("offer");
  const { database } = farm;
  const { kysely } = database;
  const clock = new ManualClock();
  await clock.advance(31_000);
  const changes = changesOf({ database, clock, settle: nothing, tell: () => undefined });
  const unanswered: number[] = [];
  await using sweep = new Sweep({
    kysely,
    changes: async (run) => {
      const offered = await findLease(kysely, fencing, worker.id);
      if (offered !== null) await acceptLease(kysely, offered, clock.now() + 100_000);
      return changes.relaxed(run);
    },
    clock,
    logger: createLogger("silent"),
    retries: DEFAULT_RETRY_POLICY,
    leaseMs: 100_000,
    offerMs: 30_000,
    intervalMs: 1000,
    endDeserted: nothing,
    onUnanswered: (lease) => unanswered.push(lease.fencing),
    removeStaged: nothing,
    cleanSources: nothing,
    forgetOld: () => undefined,
    wake: () => undefined,
  });
  await sweep.run();
  expect(await findLease(kysely, fencing, worker.id)).toMatchObject({ state: "accepted" });
  expect(unanswered).toEqual([]);
  expect(await buildStates(farm)).toEqual({ pkg: "Queued" });
});
