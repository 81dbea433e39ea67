import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildView } from "../support/api-client.ts";
import type { UsageRecord } from "@gradient/protocol";
import { expression } from "../support/expressions.ts";
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

const isRoot = process.getuid?.() === 0;
/** Not available in version 1 of control groups, or not without a disk or a limit. */
const MAY_BE_UNKNOWN = new Set([
  "cpuThrottledMs",
  "ioReadBytes",
  "ioWriteBytes",
  "cpuPressureMs",
  "memoryPressureMs",
  "ioPressureMs",
  "memoryLimitBytes",
  "coresLimit",
]);

interface AttemptView {
  status: string;
  usage: UsageRecord | null;
}

describe.runIf(isRoot)("the whole record", () => {
  let farm: TestFarm;
  let evaluation: string;

  const attemptOf = async (name: string): Promise<AttemptView> => {
    const { id } = await farm.api.buildNamed(evaluation, name);
    const attempts = await farm.api.call<AttemptView[]>("GET", `/builds/${id}/attempts`);
    const [last] = attempts;
    if (last === undefined) throw new Error(`${name} was not tried`);
    return last;
  };

  beforeAll(async () => {
    farm = await TestFarm.start();
    await farm.addWorker("alpha", { flags: ["--max-concurrent-builds", "2"] });
    const files = {
      "default.nix": expression(`{
        input = mk "input" "head -c 2000000 /dev/urandom > $out" { };
        stores = mk "stores" ''
          dd if=/dev/zero of=scratch bs=1M count=30
          sleep 1
          head -c 1000000 $input > $out
        '' { input = mk "input" "head -c 2000000 /dev/urandom > $out" { }; NIXBUILDNET_MAX_CPU = 1; };
        fails = mk "fails" "sleep 0.3; exit 1" { };
        slow = mk "slow" "sleep 600" { timeout = 1; };
        stray = mk "stray" ''
          dd if=/dev/zero of=/dev/null bs=200M count=1 || true
          echo > $out
        '' { NIXBUILDNET_MAX_MEM = 64; };
      }`),
    };
    await farm.addFilesProject("whole", "*", files);
    evaluation = await farm.evaluate("whole");
    await farm.ended(evaluation, 100_000);
  }, 120_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("of a build says everything that this machine can know", async () => {
    const { status, usage } = await attemptOf("stores");
    expect(status).toBe("built");
    const unknown = Object.entries(usage ?? {}).filter(([, value]) => value === null);
    expect(unknown.map(([key]) => key).filter((key) => !MAY_BE_UNKNOWN.has(key))).toEqual([]);
    expect(usage).toMatchObject({
      cpuQuality: "exact",
      storageQuality: "sampled",
      coresLimit: 1,
      outputNarBytes: 1_000_112,
      receivedBytes: 0,
    });
    expect(usage?.buildDirectoryPeakBytes).toBeGreaterThanOrEqual(30 * MEBIBYTE);
    expect(usage?.storagePeakBytes).toBeGreaterThanOrEqual(30 * MEBIBYTE);
    expect(usage?.sentBytes).toBeGreaterThan(900_000);
    expect(usage?.phases?.runMs).toBeGreaterThan(1000);
    expect(Object.values(usage?.phases ?? {}).every((ms) => ms !== null)).toBe(true);
  });

  test.each([
    ["fails", "build_failed"],
    ["slow", "timeout"],
  ])("of one that ended badly is as whole: %s", async (name, expected) => {
    const { status, usage } = await attemptOf(name);
    expect(status).toBe(expected);
    expect(usage).toMatchObject({ cpuQuality: "exact", outputNarBytes: null, sentBytes: 0 });
    expect(usage?.wallMs).toBeGreaterThan(300);
    expect(usage?.memoryAverageBytes).toBeGreaterThan(0);
    expect(usage?.series.length).toBeGreaterThan(0);
  });

  test("a child that the kernel killed for memory is counted, and the build that went on is built", async () => {
    const { status, usage } = await attemptOf("stray");
    expect(status).toBe("built");
    expect(usage?.oomKills).toBeGreaterThan(0);
    expect(usage?.memoryLimitBytes).toBe(64 * MEBIBYTE);
  });

  test("is told of the fetch and of the evaluation too", async () => {
    const found = await farm.api.call<Record<"fetch" | "evaluation", UsageRecord | null>>(
      "GET",
      `/evals/${evaluation}/usage`,
    );
    for (const usage of [found.fetch, found.evaluation]) {
      expect(usage).toMatchObject({ cpuQuality: "exact" });
      expect(usage?.memoryPeakBytes).toBeGreaterThan(0);
      expect(usage?.sentBytes).toBeGreaterThan(0);
      expect(usage?.phases?.runMs).toBeGreaterThan(0);
    }
    expect(found.fetch?.outputNarBytes).toBeGreaterThan(0);
    expect(found.evaluation?.memoryLimitBytes).toBeGreaterThan(0);
  });
});
