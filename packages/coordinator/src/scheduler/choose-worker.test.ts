import { organizationIdSchema, workerIdSchema } from "@gradient/protocol";
import fc from "fast-check";
import { v4, v7 } from "uuid";
import { describe, expect, test } from "vitest";
import { chooseNext, type BuildSeat, type InputPlaces } from "./choose-worker.ts";
import { NO_DEMAND } from "./demand.ts";
import { ReadyQueue, type ReadyBuild } from "./ready-queue.ts";

const ours = organizationIdSchema.parse(v7());
const theirs = organizationIdSchema.parse(v7());
let attempts = 0;

function ready(change: Partial<ReadyBuild> = {}): ReadyBuild {
  attempts += 1;
  return {
    attempt: attempts,
    build: attempts,
    organization: ours,
    system: "x86_64-linux",
    requiredFeatures: [],
    demand: NO_DEMAND,
    priority: 0,
    height: 0,
    readyAt: 0,
    ...change,
  };
}

function seat(change: Partial<BuildSeat> = {}): BuildSeat {
  return {
    worker: workerIdSchema.parse(v4()),
    organizations: new Set([ours]),
    systems: new Set(["x86_64-linux"]),
    features: new Set(["kvm"]),
    size: { cores: 8, memoryBytes: 1000, slots: 4 },
    free: { cores: 8, memoryBytes: 1000 },
    freeNext: { cores: 8, memoryBytes: 1000 },
    freeSlots: 1,
    aheadSlots: 0,
    heldBuilds: 0,
    ...change,
  };
}

function queueOf(...builds: ReadyBuild[]): ReadyQueue {
  const queue = new ReadyQueue();
  for (const build of builds) queue.add(build);
  return queue;
}

const noInputs: InputPlaces = { isReachable: () => true, countByMaker: () => new Map() };
const choose = (queue: ReadyQueue, ...seats: BuildSeat[]) => chooseNext(queue, seats, 0, noInputs);

describe("choice", () => {
  test("priority goes before critical path, critical path before age", () => {
    const old = ready({ readyAt: 1 });
    const long = ready({ height: 5, readyAt: 2 });
    const urgent = ready({ priority: 1, readyAt: 3 });
    const queue = queueOf(old, long, urgent);
    const order: number[] = [];
    for (let choice = choose(queue, seat()); choice !== null; choice = choose(queue, seat())) {
      order.push(choice.build.attempt);
      queue.take(choice.build.attempt);
    }
    expect(order).toEqual([urgent, long, old].map(({ attempt }) => attempt));
  });

  test("a worker without the organization, the system or a feature gets nothing", () => {
    expect(choose(queueOf(ready()), seat({ organizations: new Set() }))).toBeNull();
    expect(choose(queueOf(ready()), seat({ organizations: new Set([theirs]) }))).toBeNull();
    expect(choose(queueOf(ready({ system: "riscv64-linux" })), seat())).toBeNull();
    expect(choose(queueOf(ready({ requiredFeatures: ["big-parallel"] })), seat())).toBeNull();
    expect(choose(queueOf(ready({ requiredFeatures: ["kvm"] })), seat())).not.toBeNull();
    expect(choose(queueOf(ready({ system: "builtin" })), seat())).not.toBeNull();
  });

  test("a build that nobody can take does not stand in the way of others", () => {
    const stuck = ready({ priority: 9, system: "riscv64-linux" });
    const possible = ready();
    expect(choose(queueOf(stuck, possible), seat())?.build).toBe(possible);
  });

  test("the worker that has most inputs gets the build, a free slot counts more", () => {
    const far = seat();
    const near = seat();
    const busyNear = seat({ freeSlots: 0, aheadSlots: 1 });
    const counts = new Map([
      [near.worker, 2],
      [busyNear.worker, 9],
    ]);
    const inputs = { ...noInputs, countByMaker: () => counts };
    const choice = chooseNext(queueOf(ready()), [far, near, busyNear], 0, inputs);
    expect(choice?.worker).toBe(near.worker);
  });

  test("what others would wait for an upload of goes to whoever has it, or waits for a slot there", () => {
    const local = ready({ priority: 1 });
    const other = ready();
    const maker = seat();
    const idle = seat();
    const inputs: InputPlaces = {
      ...noInputs,
      isReachable: (build, worker) => build !== local || worker === maker.worker,
    };
    const next = (...seats: BuildSeat[]) => chooseNext(queueOf(local, other), seats, 0, inputs);
    expect(next(idle, maker)).toEqual({ build: local, worker: maker.worker });
    expect(next(idle, { ...maker, freeSlots: 0 })).toEqual({ build: other, worker: idle.worker });
  });

  test("a declined build goes to somebody else, or to the same worker when the decline is forgotten", () => {
    const build = ready();
    const next = ready({ readyAt: 1 });
    const queue = queueOf(build, next);
    const first = seat();
    queue.decline(build.attempt, first.worker, 100);
    expect(chooseNext(queue, [first], 99, noInputs)?.build).toBe(next);
    expect(chooseNext(queue, [first, seat()], 99, noInputs)?.build).toBe(build);
    expect(chooseNext(queue, [first], 100, noInputs)?.build).toBe(build);
  });

  const needing = (memoryBytes: number) => ({
    ...NO_DEMAND,
    estimate: { memoryBytes, cores: 1 },
  });

  test("a build goes where its memory is free, and a smaller one may go before it for a while", () => {
    const large = ready({ demand: needing(600) });
    const small = ready({ demand: needing(300), readyAt: 1 });
    const busy = { freeSlots: 2, heldBuilds: 2, free: { cores: 4, memoryBytes: 500 } };
    const seats = [seat(busy), seat({ ...busy, free: { cores: 4, memoryBytes: 400 } })];
    const at = (now: number) => chooseNext(queueOf(large, small), seats, now, noInputs);
    expect(at(59_999)?.build).toBe(small);
    // The worker that lacks least makes room for it, the other one goes on.
    expect(at(60_000)).toEqual({ build: small, worker: seats[1]?.worker });
    const roomy = seat({ ...busy, free: { cores: 4, memoryBytes: 600 } });
    expect(choose(queueOf(large, small), roomy)?.build).toBe(large);
  });

  test("a build for which every worker is too small goes to the largest", () => {
    const large = ready({ demand: needing(5000) });
    const small = seat({ size: { cores: 8, memoryBytes: 500, slots: 4 } });
    const larger = seat();
    expect(choose(queueOf(large), small)?.worker).toBe(small.worker);
    expect(choose(queueOf(large), small, larger)?.worker).toBe(larger.worker);
    // It is busy: the build waits for it.
    const full = { ...larger, freeSlots: 0 };
    expect(choose(queueOf(large), small, full)).toBeNull();
  });

  test("inputs are fetched ahead for what would fit if the smallest build ended", () => {
    const ahead = {
      freeSlots: 0,
      aheadSlots: 1,
      heldBuilds: 2,
      free: { cores: 0, memoryBytes: 0 },
    };
    const next = ready({ demand: needing(400) });
    expect(
      choose(queueOf(next), seat({ ...ahead, freeNext: { cores: 2, memoryBytes: 399 } })),
    ).toBeNull();
    expect(
      choose(queueOf(next), seat({ ...ahead, freeNext: { cores: 2, memoryBytes: 400 } }))?.build,
    ).toBe(next);
  });

  test("what a derivation states as smallest is not put below", () => {
    const stated = { ...NO_DEMAND, minMemoryBytes: 1001, minCores: 4 };
    expect(choose(queueOf(ready({ demand: stated })), seat())).toBeNull();
    const large = seat({ size: { cores: 4, memoryBytes: 2000, slots: 4 } });
    expect(choose(queueOf(ready({ demand: stated })), large)).not.toBeNull();
  });

  test("what was removed is never chosen, whatever the order of events", () => {
    const builds = fc.array(
      fc.record({ priority: fc.nat(3), height: fc.nat(3), removed: fc.boolean() }),
    );
    fc.assert(
      fc.property(builds, (list) => {
        const queue = new ReadyQueue();
        const kept: ReadyBuild[] = [];
        for (const { priority, height, removed } of list) {
          const build = ready({ priority, height });
          queue.add(build);
          if (removed) queue.remove(build.attempt);
          else kept.push(build);
        }
        const chosen: ReadyBuild[] = [];
        for (let choice = choose(queue, seat()); choice !== null; choice = choose(queue, seat())) {
          chosen.push(choice.build);
          queue.take(choice.build.attempt);
        }
        const expected = kept.toSorted(
          (a, b) => b.priority - a.priority || b.height - a.height || a.attempt - b.attempt,
        );
        expect(chosen).toEqual(expected);
        expect(queue.size).toBe(0);
      }),
    );
  });

  test("50,000 ready builds that need 400 different things are handed out, each once", () => {
    const queue = new ReadyQueue();
    for (let n = 0; n < 50_000; n++) {
      const estimate = { memoryBytes: 1 + (n % 40), cores: 1 + (Math.floor(n / 40) % 10) };
      queue.add(ready({ height: n % 97, demand: { ...NO_DEMAND, estimate } }));
    }
    const seats = [seat(), seat(), seat()];
    for (let n = 0; n < 50_000; n++) {
      const choice = chooseNext(queue, seats, 0, noInputs);
      if (choice !== null) queue.take(choice.build.attempt);
    }
    expect(queue.size).toBe(0);
  });
});
