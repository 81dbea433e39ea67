import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildView } from "../support/api-client.ts";
import { TestFarm } from "../support/farm.ts";

const MEBIBYTE = 1024 * 1024;
const FILLED_BYTES = 512 * MEBIBYTE;

/** Figures of the samples that say how much they use, against what the farm measured. */
describe.each([1, 2])("usage records with %i build at once", (concurrency) => {
  let farm: TestFarm;
  const views: Record<"burn-cpu" | "fill-memory", BuildView[]> = {
    "burn-cpu": [],
    "fill-memory": [],
  };

  beforeAll(async () => {
    farm = await TestFarm.start();
    await farm.addWorker("alpha", { flags: ["--max-concurrent-builds", String(concurrency)] });
    const evaluations: string[] = [];
    for (let index = 0; index < concurrency; index += 1) {
      const project = await farm.addSampleProject(
        `sample-${index}`,
        "burn-cpu,fill-memory",
        `usage-${concurrency}-${index}`,
      );
      evaluations.push(await farm.evaluate(project));
    }
    for (const evaluation of evaluations) {
      await farm.ended(evaluation, 100_000);
      for (const name of ["burn-cpu", "fill-memory"] as const)
        views[name].push(await farm.api.buildNamed(evaluation, name));
    }
  }, 120_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("CPU is within 10 % of what the sample burnt by its own clock", async () => {
    for (const view of views["burn-cpu"]) {
      const log = await farm.api.call<string>("GET", `/builds/${view.id}/log`);
      const burntMs = Number(/burnt (\d+) ms/.exec(log)?.[1]);
      const measuredMs = (view.usage?.cpuUserMs ?? 0) + (view.usage?.cpuSystemMs ?? 0);
      expect(burntMs).toBeGreaterThan(1000);
      expect(
        Math.abs(measuredMs - burntMs) / burntMs,
        `measured ${measuredMs} of ${burntMs} ms`,
      ).toBeLessThan(0.1);
    }
  });

  test("memory is within 10 % of what the sample allocated", () => {
    for (const view of views["fill-memory"]) {
      const peak = view.usage?.memoryPeakBytes ?? 0;
      expect(
        Math.abs(peak - FILLED_BYTES) / FILLED_BYTES,
        `measured ${peak / MEBIBYTE} MiB`,
      ).toBeLessThan(0.1);
    }
  });
});
