import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually, type BuildView } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { groupsMadeBy, processesNaming } from "../support/processes.ts";

let farm: TestFarm;
let worker: TestWorker;
let gate: string;
let evaluation: string;
/** As the build was when it had begun. */
let before: BuildView;

beforeEach(async () => {
  farm = await TestFarm.start({ leaseSeconds: 10 });
});

afterEach(async () => {
  await farm[Symbol.asyncDispose]();
});

/**
 * Starts a worker and a build that numbers its lines until a file is there, in a directory that the sandbox lets it see. The
 * lines have a character of several bytes.
 */
async function startBuild(flags?: readonly string[]): Promise<void> {
  const directory = join(farm.directory, "gate");
  await mkdir(directory);
  gate = join(directory, "open");
  worker = await farm.addWorker("alpha", {
    settings: [`sandbox-paths = ${directory}`],
    ...(flags === undefined ? {} : { flags }),
  });
  const text = expression(`{ numbered = mk "numbered" ''
    i=0
    while [ ! -e ${gate} ]; do i=$((i+1)); echo "line $i ·"; sleep 0.05; done
    echo end; echo > $out
  '' { }; }`);
  evaluation = await farm.evaluate(
    await farm.addFilesProject("numbered", "*", { "default.nix": text }),
  );
  before = await eventually("the build to begin", 60_000, async () => {
    if ((await farm.api.builds(evaluation)).length === 0) return null;
    const build = await farm.api.buildNamed(evaluation, "numbered");
    return (await logOf(build)).includes("line 5 ") ? build : null;
  });
}

async function logOf(build: BuildView): Promise<string> {
  return farm.api.call<string>("GET", `/builds/${build.id}/log`);
}

async function openGate(): Promise<void> {
  await writeFile(gate, "");
}

/** What the worker keeps of its only assignment. */
async function kept(file: string): Promise<string> {
  const journal = join(worker.stateDir, "journal");
  const [assignment = ""] = await readdir(journal);
  return readFile(join(journal, assignment, file), "utf8").catch(() => "");
}

async function isGrowing(): Promise<void> {
  const lines = (await kept("log")).length;
  await eventually("the log to grow", 20_000, async () =>
    (await kept("log")).length > lines + 100 ? true : null,
  );
}

async function runnersAreGone(): Promise<void> {
  await eventually("the build to end", 30_000, async () =>
    (await worker.runners()).length === 0 ? true : null,
  );
}

async function completed(): Promise<BuildView> {
  const ended = await farm.ended(evaluation, 60_000);
  expect(ended.status, farm.logs()).toBe("Completed");
  return farm.api.buildNamed(evaluation, "numbered");
}

/** No line of the log is missing or there twice, and the build was measured from its start. */
async function expectWhole(after: BuildView): Promise<void> {
  const log = await logOf(after);
  const count = log.split("\n").length - 2;
  const lines = Array.from({ length: count }, (_each, index) => `line ${index + 1} ·\n`);
  expect(log).toBe(`${lines.join("")}end\n`);
  expect(after.usage?.wallMs).toBeGreaterThan(count * 50);
  expect(after.usage?.cpuUserMs).not.toBeNull();
}

/** Nothing of the worker's builds runs, and no group is left of them. */
async function expectNothingLeft(runners: readonly number[]): Promise<void> {
  expect(await worker.runners()).toEqual([]);
  expect(await processesNaming(gate)).toEqual([]);
  expect(runners.flatMap(groupsMadeBy)).toEqual([]);
}

test("a worker that is killed in the middle of a build and started again goes on with the same attempt", async () => {
  await startBuild();
  const runners = await worker.runners();
  await worker.kill();
  await isGrowing();
  worker.start();
  await eventually("the worker to be back", 30_000, async () =>
    worker.log.includes("session accepted") ? true : null,
  );
  await isGrowing();
  await openGate();
  const after = await completed();
  expect(after.attempt).toBe(before.attempt);
  await expectWhole(after);
  expect(await worker.runners()).toEqual(runners);
  await worker.daemon?.stop();
  await expectNothingLeft(runners);
  expect(await readdir(join(worker.stateDir, "runners"))).toEqual([]);
});

test("a build that ends while the worker is away is reported as the same attempt", async () => {
  await startBuild();
  const runners = await worker.runners();
  await worker.kill();
  await openGate();
  await runnersAreGone();
  await expectNothingLeft(runners);
  worker.start();
  const after = await completed();
  expect(after.attempt).toBe(before.attempt);
  await expectWhole(after);
});

test("SIGHUP hands a build over to the worker that is started next", async () => {
  await startBuild();
  worker.daemon?.process.kill("SIGHUP");
  expect(await worker.daemon?.exited(15_000)).toBe(0);
  await isGrowing();
  worker.start();
  await openGate();
  const after = await completed();
  expect(after.attempt).toBe(before.attempt);
  await expectWhole(after);
});

test("a worker that stays away for longer than its lease costs exactly one new attempt, and its build is ended", async () => {
  await startBuild();
  const runners = await worker.runners();
  await worker.kill();
  await eventually("the lease to end", 60_000, async () => {
    const { attempt } = await farm.api.buildNamed(evaluation, "numbered");
    return attempt === before.attempt ? null : true;
  });
  await runnersAreGone();
  await expectNothingLeft(runners);
  await openGate();
  worker.start();
  expect((await completed()).attempt).toBe((before.attempt ?? 0) + 1);
});

test("a worker that is killed while it uploads uploads again, and the attempt is the same", async () => {
  await startBuild();
  // Nobody takes the output now.
  await farm.killCoordinator();
  await openGate();
  await eventually("the upload", 30_000, async () =>
    (await kept("state.json")).includes('"uploading"') ? true : null,
  );
  await worker.kill();
  await farm.restartCoordinator();
  worker.start();
  const after = await completed();
  expect(after.attempt).toBe(before.attempt);
  await expectWhole(after);
});

test("a stopped worker leaves nothing behind, also of a build that it had to end", async () => {
  await startBuild(["--shutdown-grace", "0"]);
  const runners = await worker.runners();
  expect(runners).toHaveLength(1);
  await worker.daemon?.stop();
  await expectNothingLeft(runners);
});
