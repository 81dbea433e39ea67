import Database from "better-sqlite3";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { makeSampleRepository } from "../support/programs.ts";
import { chain, smallPackages } from "./package-set.ts";
import type { Row } from "./report.ts";

/** Builds at once, on both sides. */
const SLOTS = 2;

/** As root Nix builds with build users unless it is told otherwise. Here nothing else builds at the same time. */
const SETTINGS = process.getuid?.() === 0 ? ["build-users-group = nixbld"] : [];

async function plainBuild(root: NixRoot, directory: string): Promise<number> {
  const startedAt = performance.now();
  await execa(
    "nix-build",
    [directory, "--no-out-link", "--keep-going", "--max-jobs", String(SLOTS)],
    {
      env: root.env,
      extendEnv: false,
      reject: false,
    },
  );
  return performance.now() - startedAt;
}

async function farmBuild(farm: TestFarm, project: string): Promise<number> {
  const startedAt = performance.now();
  await farm.ended(await farm.evaluate(project), 600_000);
  return performance.now() - startedAt;
}

/** Times of both sides over the same expressions, from empty stores. */
export async function graphRows(): Promise<Row[]> {
  const plainDirectory = await mkdtemp(join(tmpdir(), "gradient-plain-"));
  const plain = await NixRoot.make(join(plainDirectory, "store"), SETTINGS);
  const farm = await TestFarm.start();
  try {
    await farm.addWorker("alpha", {
      flags: ["--max-concurrent-builds", String(SLOTS)],
      settings: SETTINGS,
    });
    await mkdir(join(plainDirectory, "sample"), { recursive: true });
    await makeSampleRepository({ directory: join(plainDirectory, "sample"), salt: "bench" });
    await farm.addSampleProject("sample", "*", "bench");
    await farm.addFilesProject("small", "top", { "default.nix": smallPackages(200) });
    await farm.addFilesProject("chain", "top", { "default.nix": chain(40) });
    const rows: Row[] = [];
    for (const [name, label, target] of [
      ["small", "200 small derivations", 2],
      ["sample", "sample graph", null],
      ["chain", "chain of 40 trivial builds", null],
    ] as const) {
      const directory =
        name === "sample" ? join(plainDirectory, "sample") : join(farm.directory, "git", name);
      const theirs = await plainBuild(plain, directory);
      const ours = await farmBuild(farm, name);
      rows.push({
        what: label,
        unit: "s",
        ours: ours / 1000,
        theirs: theirs / 1000,
        against: "nix-build",
        better: "less",
        target,
      });
    }
    rows.push(dispatchLatency(farm));
    return rows;
  } finally {
    await farm[Symbol.asyncDispose]();
    await plain.remove();
    await rm(plainDirectory, { recursive: true, force: true });
  }
}

/** Median time from a build's last dependency being built to its process being started, over the chain. */
function dispatchLatency(farm: TestFarm): Row {
  const database = new Database(join(farm.dataDir, "farm.sqlite"), { readonly: true });
  const rows = database
    .prepare(
      `select builds.started_at - builds.ready_at as latency from builds join derivations on derivations.id = builds.derivation_id
       where derivations.name like 'link-%' and builds.started_at is not null and builds.unmet_dependencies = 0 order by latency`,
    )
    .all() as { latency: number }[];
  database.close();
  const median = rows[Math.floor(rows.length / 2)]?.latency ?? Number.NaN;
  return {
    what: "last dependency built -> next build started, median",
    unit: "ms",
    ours: median,
    theirs: null,
    against: "limit",
    better: "less",
    target: 50,
  };
}
