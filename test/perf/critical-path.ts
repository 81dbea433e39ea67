import Database from "better-sqlite3";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { eventually } from "../support/api-client.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { table } from "../demo/steps.ts";
import { cpuOf } from "./cpu.ts";
import { chain, packageSet } from "./package-set.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

/** Builds at once, on both sides. */
const SLOTS = 2;

/** As root Nix builds with build users unless it is told otherwise. Here nothing else builds at the same time. */
const WITH_USERS = process.getuid?.() === 0 ? ["build-users-group = nixbld"] : [];

/** Both sides of a subject in turn, so often: the first time the farm's programs are cold, and what else a machine does comes and goes. */
const ROUNDS = 3;

const SUBJECTS = [
  {
    project: "chain",
    label: "chain of 100 trivial builds",
    text: (salt: string) => chain(100, salt),
    target: 3,
  },
  {
    project: "packages",
    label: "package set, 604 derivations",
    text: (salt: string) => packageSet(200, salt),
    target: 1.6,
  },
] as const;

/** Wall and CPU time of one run, in seconds; CPU by who used it. */
interface Cost {
  wall: number;
  cpu: Record<string, number>;
}

async function plainBuild(root: NixRoot, directory: string): Promise<Cost> {
  const before = await cpuOf(process.pid);
  const startedAt = performance.now();
  await execa("nix-build", [directory, "--no-out-link", "--max-jobs", String(SLOTS)], {
    env: root.env,
    extendEnv: false,
  });
  const wall = (performance.now() - startedAt) / 1000;
  const after = await cpuOf(process.pid);
  return { wall, cpu: { nix: after.children - before.children } };
}

async function farmCpu(farm: TestFarm, worker: TestWorker): Promise<Record<string, number>> {
  if (worker.daemon === null) throw new Error("the worker does not run");
  const ours = await cpuOf(worker.daemon.pid);
  const coordinator = await cpuOf(farm.coordinator.pid);
  return { nix: ours.children, worker: ours.own, coordinator: coordinator.own };
}

/** How the evaluation ended. Asked of the database: questions to the API would cost the coordinator as much as its work. */
async function endOf(farm: TestFarm, evaluation: string): Promise<string> {
  const database = new Database(join(farm.dataDir, "farm.sqlite"), { readonly: true });
  try {
    const query = database.prepare<[string], { state: string }>(
      "select state from evaluations where id = ?",
    );
    return await eventually(`evaluation ${evaluation} to end`, 600_000, () => {
      const state = query.get(evaluation)?.state ?? "gone";
      const hasEnded = ["Completed", "Failed", "Aborted", "gone"].includes(state);
      return Promise.resolve(hasEnded ? state : null);
    });
  } finally {
    database.close();
  }
}

async function farmBuild(farm: TestFarm, worker: TestWorker, project: string): Promise<Cost> {
  const before = await farmCpu(farm, worker);
  const startedAt = performance.now();
  const status = await endOf(farm, await farm.evaluate(project));
  const wall = (performance.now() - startedAt) / 1000;
  if (status !== "Completed") throw new Error(`${project} ended ${status}\n${farm.logs()}`);
  const after = await farmCpu(farm, worker);
  const cpu = Object.fromEntries(
    Object.entries(after).map(([who, seconds]) => [who, seconds - (before[who] ?? 0)]),
  );
  return { wall, cpu };
}

/** Where the time of a build goes: mean and median of each step, in milliseconds. */
const STEPS: readonly (readonly [string, string, string])[] = [
  ["last input built -> accepted", "builds.ready_at", "attempts.assigned_at"],
  ["accepted -> started", "attempts.assigned_at", "attempts.started_at"],
  ["started -> stopped", "attempts.started_at", "attempts.stopped_at"],
  ["stopped -> visible", "attempts.stopped_at", "attempts.stored_at"],
  ["last input built -> visible", "builds.ready_at", "attempts.stored_at"],
];

function stepTimes(farm: TestFarm, from: string, to: string, project: string): number[] {
  const database = new Database(join(farm.dataDir, "farm.sqlite"), { readonly: true });
  try {
    return (
      database
        .prepare(
          `select ${to} - ${from} as ms from attempts join builds on builds.id = attempts.build_id
           join evaluation_builds on evaluation_builds.build_id = builds.id
           join evaluations on evaluations.id = evaluation_builds.evaluation_id join projects on projects.id = evaluations.project_id
           where attempts.status = 'built' and projects.name = ? order by ms`,
        )
        .all(project) as { ms: number | null }[]
    ).flatMap(({ ms }) => ms ?? []);
  } finally {
    database.close();
  }
}

function breakdown(farm: TestFarm, project: string): string {
  const rows = STEPS.map(([label, from, to]) => {
    const times = stepTimes(farm, from, to, project);
    const mean = times.reduce((sum, ms) => sum + ms, 0) / Math.max(times.length, 1);
    return [label, mean.toFixed(1), String(times[Math.floor(times.length / 2)] ?? "-")];
  });
  return table(["step", "mean ms", "median ms"], rows);
}

function costs(label: string, theirs: Cost, ours: Cost): string {
  const describe = (who: string, { wall, cpu }: Cost): string => {
    const parts = Object.entries(cpu).map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`);
    const sum = Object.values(cpu).reduce((total, seconds) => total + seconds, 0);
    return `  ${who}: ${wall.toFixed(2)} s; CPU ${sum.toFixed(2)} s (${parts.join(", ")})`;
  };
  return `${label}\n${describe("nix-build", theirs)}\n${describe("farm", ours)}`;
}

async function rowsWith(settings: readonly string[], mode: string): Promise<Row[]> {
  const plainDirectory = await mkdtemp(join(tmpdir(), "gradient-plain-"));
  const plain = await NixRoot.make(join(plainDirectory, "store"), settings);
  const farm = await TestFarm.start();
  try {
    const worker = await farm.addWorker("alpha", {
      flags: ["--max-concurrent-builds", String(SLOTS)],
      settings,
    });
    const rows: Row[] = [];
    for (const { project: base, label, text, target } of SUBJECTS) {
      const walls: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
      for (let round = 1; round <= ROUNDS; round += 1) {
        const project = `${base}-${round}`;
        await farm.addFilesProject(project, "top", { "default.nix": text(project) });
        const theirs = await plainBuild(plain, join(farm.directory, "git", project));
        const ours = await farmBuild(farm, worker, project);
        process.stdout.write(`\n${costs(`${label}, ${mode}, round ${round}`, theirs, ours)}\n`);
        process.stdout.write(`${breakdown(farm, project)}\n`);
        walls.ours.push(ours.wall);
        walls.theirs.push(theirs.wall);
      }
      rows.push({
        what: `${label}, ${mode}`,
        unit: "s",
        ours: median(walls.ours),
        theirs: median(walls.theirs),
        against: "nix-build",
        better: "less",
        target,
      });
    }
    return rows;
  } finally {
    await farm[Symbol.asyncDispose]();
    await plain.remove();
    await rm(plainDirectory, { recursive: true, force: true });
  }
}

/** A chain and a package set with deep dependencies on both sides, from empty stores, sandboxed, two builds at once; where the time goes, and whose CPU time it is. */
export function criticalPathRows(): Promise<Row[]> {
  return rowsWith(WITH_USERS, WITH_USERS.length > 0 ? "build users" : "no build users");
}

/** The same without build users: their bookkeeping costs plain Nix more than everything else. */
export function criticalPathRowsWithoutUsers(): Promise<Row[]> {
  return rowsWith([], "no build users");
}
