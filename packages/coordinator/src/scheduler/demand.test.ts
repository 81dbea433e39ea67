import { describe, expect, test } from "vitest";
import { fits, grantOf, NO_DEMAND, type Demand } from "./demand.ts";

const worker = { cores: 8, memoryBytes: 1600, slots: 4 };

function demand({ memory, cores, ...stated }: Change = {}): Demand {
  const estimate = { memoryBytes: memory ?? null, cores: cores ?? null };
  return { ...NO_DEMAND, ...stated, estimate };
}
type Change = Partial<Omit<Demand, "estimate">> & { memory?: number; cores?: number };

describe("what a build gets", () => {
  test("that nothing is known of: an even share, and no limit", () => {
    expect(grantOf(demand(), worker)).toEqual({
      reserved: { memoryBytes: 400, cores: 2 },
      cpuCount: 8,
      memoryLimitBytes: null,
      coreLimit: null,
    });
  });

  test("that has run before: what it needed, and a limit that is no less than an even share", () => {
    expect(grantOf(demand({ memory: 256, cores: 1.5 }), worker)).toEqual({
      reserved: { memoryBytes: 256, cores: 1.5 },
      cpuCount: 2,
      memoryLimitBytes: 400,
      coreLimit: null,
    });
    const large = grantOf(demand({ memory: 900, cores: 7.5 }), worker);
    expect(large).toMatchObject({ memoryLimitBytes: 900, cpuCount: 8 });
  });

  test("lies between what the derivation states", () => {
    const least = demand({ memory: 256, cores: 0.5, minMemoryBytes: 600, minCores: 3 });
    expect(grantOf(least, worker)).toEqual({
      reserved: { memoryBytes: 600, cores: 3 },
      cpuCount: 3,
      memoryLimitBytes: 600,
      coreLimit: null,
    });
    const most = demand({ memory: 900, cores: 4, maxMemoryBytes: 300, maxCores: 2 });
    expect(grantOf(most, worker)).toEqual({
      reserved: { memoryBytes: 300, cores: 2 },
      cpuCount: 2,
      memoryLimitBytes: 300,
      coreLimit: 2,
    });
  });

  test("that states a limit far above its share is held to that, and its share is set aside", () => {
    const grant = grantOf(demand({ maxMemoryBytes: 1000 }), worker);
    expect(grant).toMatchObject({ reserved: { memoryBytes: 400 }, memoryLimitBytes: 1000 });
  });

  test("after it ran out of memory: exactly that", () => {
    const grant = grantOf(demand({ exactMemoryBytes: 800, memory: 256 }), worker);
    expect(grant).toMatchObject({ reserved: { memoryBytes: 800 }, memoryLimitBytes: 800 });
  });

  test("is no more than the worker has", () => {
    const { reserved } = grantOf(demand({ memory: 5000, cores: 99 }), worker);
    expect(reserved).toEqual({ memoryBytes: 1600, cores: 8 });
  });
});

describe("a build begins", () => {
  test("when its memory is free", () => {
    const large = demand({ memory: 900, cores: 1 });
    expect(fits(large, worker, { memoryBytes: 899, cores: 8 })).toBe(false);
    expect(fits(large, worker, { memoryBytes: 900, cores: 8 })).toBe(true);
  });

  test("when half a core is idle, however many it could use, or as many as it states", () => {
    const parallel = demand({ memory: 100, cores: 6 });
    expect(fits(parallel, worker, { memoryBytes: 900, cores: 0.5 })).toBe(true);
    expect(fits(parallel, worker, { memoryBytes: 900, cores: 0.25 })).toBe(false);
    expect(fits(demand({ cores: 0.25 }), worker, { memoryBytes: 900, cores: 0.25 })).toBe(true);
    expect(fits(demand({ minCores: 4 }), worker, { memoryBytes: 900, cores: 3 })).toBe(false);
  });

  test("of unknown builds as many fit as the worker has slots", () => {
    const odd = { cores: 2, memoryBytes: 1000, slots: 3 };
    const free = { memoryBytes: 1000, cores: 2 };
    for (let running = 0; running < 3; running += 1) {
      expect(fits(demand(), odd, free)).toBe(true);
      const { reserved } = grantOf(demand(), odd);
      free.memoryBytes -= reserved.memoryBytes;
      free.cores -= reserved.cores;
    }
    expect(fits(demand(), odd, free)).toBe(false);
  });
});
