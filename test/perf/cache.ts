import { readFile } from "node:fs/promises";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { accelRows } from "./cache-accel.ts";
import { batchRows } from "./cache-batch.ts";
import { copyRows } from "./cache-copy.ts";
import { downloadPath } from "./cache-files.ts";
import { compared } from "./cache-load.ts";
import { largeCacheRows } from "./cache-large.ts";
import { cpuOf } from "./cpu.ts";
import { Nginx } from "./nginx.ts";
import type { Row } from "./report.ts";

/** Builds 100 small outputs and one of 64 MiB that does not compress, and copies what the cache says of them to files for nginx. */
async function prepare(
  farm: TestFarm,
  files: string,
): Promise<{ narinfos: string[]; nar: string }> {
  const text = expression(`
    let small = n: mk "small-\${toString n}" "echo \${toString n} > $out" { };
    in { big = mk "big" "dd if=/dev/urandom of=$out bs=1M count=64" { }; }
      // builtins.listToAttrs (builtins.genList (n: { name = "small-\${toString n}"; value = small n; }) 100)`);
  await farm.addWorker("alpha");
  const evaluation = await farm.ended(
    await farm.evaluate(await farm.addFilesProject("cache", "*", { "default.nix": text })),
    300_000,
  );
  if (evaluation.status !== "Completed")
    throw new Error(`the builds for the cache ended ${evaluation.status}: ${evaluation.error}`);
  const narinfos: string[] = [];
  let bigNar = "";
  for (const item of await farm.api.builds(evaluation.id)) {
    const [output] = Object.values((await farm.api.build(item.id)).output);
    const { narinfo, nar } = await downloadPath(farm.url, output ?? "", files);
    narinfos.push(narinfo);
    if (item.name.endsWith("-big.drv")) bigNar = nar;
  }
  return { narinfos, nar: bigNar };
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

async function servingRows(farm: TestFarm, nginx: Nginx): Promise<Row[]> {
  const { narinfos, nar } = await prepare(farm, nginx.files);
  const { pid } = farm.coordinator;
  const sides = (paths: readonly string[]) => ({
    ours: { url: farm.url, paths, cpuSeconds: async () => (await cpuOf(pid)).own },
    theirs: { url: nginx.url, paths, cpuSeconds: () => nginx.cpuSeconds() },
  });
  const narinfo = await compared(sides(narinfos), 32);
  const bytes = await compared(sides([nar]), 4);
  const more = { against: "nginx", better: "more" } as const;
  return [
    {
      what: "narinfo requests",
      unit: "1/s",
      ...narinfo((each) => each.requestsPerSecond),
      ...more,
      target: 0.45,
    },
    {
      what: "narinfo requests for a second of CPU",
      unit: "",
      ...narinfo((each) => each.requestsPerCpuSecond),
      ...more,
      target: null,
    },
    {
      what: "NAR bytes",
      unit: "MB/s",
      ...bytes((each) => each.bytesPerSecond / 1e6),
      ...more,
      target: 0.65,
    },
    {
      what: "CPU of a GB of NAR bytes",
      unit: "s",
      ...bytes((each) => each.cpuSecondsPerGigabyte),
      against: "nginx",
      better: "less",
      target: null,
    },
  ];
}

/** The cache against nginx over the same files, one process each; NARs on their way in; a cache of many years; and the coordinator's memory at rest. */
export async function cacheRows(): Promise<Row[]> {
  await using farm = await TestFarm.start();
  const atRest = await residentMegabytes(farm.coordinator.pid);
  await using nginx = await Nginx.start();
  return [
    ...(await servingRows(farm, nginx)),
    {
      what: "coordinator at rest",
      unit: "MB",
      ours: atRest,
      theirs: null,
      against: "limit",
      better: "less",
      target: 150,
    },
    ...(await copyRows(farm, nginx)),
    ...(await batchRows(farm)),
    ...(await accelRows()),
    ...(await largeCacheRows(farm)),
  ];
}
