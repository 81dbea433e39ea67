import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { usageRecordSchema } from "@gradient/protocol";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AloneScene, type BuildDocument } from "../support/alone.ts";

/** What `gradient-worker build` tells: documents, tables, links, and where they can not be written. */

let scene: AloneScene;

beforeAll(async () => {
  scene = await AloneScene.make();
});

afterAll(() => scene[Symbol.asyncDispose]());

test("tells of every build what it used, in a document and in a table", async () => {
  const here = await scene.place();
  const file = join(here, "report.json");
  const line = `build ${await scene.fresh("report")} -A two -A above -k --json --report ${file}`;
  const { exitCode, stdout, stderr } = await scene.worker(line, { cwd: here });
  expect(exitCode).toBe(100);
  const report: unknown = JSON.parse(stdout);
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual(report);
  expect(report).toMatchObject({
    version: 1,
    exitCode: 100,
    jobs: [
      { attribute: ["two"], status: "built", output: { name: "out" }, error: null },
      { attribute: ["above"], status: "dependency_failed" },
    ],
    errors: [],
  });
  const { builds, dependencyFailed } = report as BuildDocument;
  expect(builds.map(({ name, outcome }) => `${name} ${outcome}`).toSorted()).toEqual([
    "base built",
    "fails build_failed",
    "hello built",
    "two built",
  ]);
  for (const { usage } of builds) expect(usageRecordSchema.parse(usage).wallMs).toBeGreaterThan(0);
  expect(dependencyFailed).toHaveLength(1);
  expect(stderr).toMatch(/^derivation +status +wall +CPU +memory +output$/m);
  expect(stderr).toMatch(/^two +built +[\d.]+ s/m);
  expect(stderr).toContain("> reason");
  expect(stderr).toMatch(/nix-store --read-log \/nix\/store\/\S+-fails\.drv/);
});

test("measures evaluation apart from the builds that go on after it", async () => {
  // The limit is Nix's own, as its files may have it.
  const env = { NIX_CONFIG: `${scene.ours.env["NIX_CONFIG"] ?? ""}\ntimeout = 1` };
  const { exitCode, stdout } = await scene.worker(`build ${scene.source} -A slow --json`, { env });
  expect(exitCode).toBe(101);
  const { startedAt, stoppedAt, builds, evaluation } = JSON.parse(stdout) as BuildDocument;
  const buildMs = builds[0]?.usage.wallMs ?? 0;
  expect(buildMs).toBeGreaterThan(0);
  expect(evaluation.usage.wallMs).toBeLessThan(stoppedAt - startedAt - buildMs / 2);
});

test("a link that can not be made hides neither the paths nor the report", async () => {
  const report = join(await scene.place(), "report.json");
  const line = `build ${scene.source} -A base -o ${scene.directory}/absent/result --report ${report}`;
  const { exitCode, stdout, stderr } = await scene.worker(line);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^\/nix\/store\/\w{32}-base$/);
  expect(stderr).toMatch(/^gradient-worker: cannot make the link \S+\/absent\/result: ENOENT/m);
  expect(JSON.parse(await readFile(report, "utf8"))).toMatchObject({
    exitCode: 1,
    jobs: [{ status: expect.stringMatching(/^(built|valid)$/) }],
    errors: [expect.stringContaining("cannot make the link")],
  });
});

test("a report that can not be written hides nothing else, and one that never could be is told before", async () => {
  const full = await scene.worker(`build ${scene.source} -A fails --json --report /dev/full`);
  expect(full).toMatchObject({ exitCode: 100, stderr: expect.stringContaining("/dev/full") });
  expect(JSON.parse(full.stdout)).toMatchObject({
    exitCode: 100,
    errors: [expect.stringContaining("/dev/full")],
  });
  const early = await scene.worker(`build ${scene.source} -A fails --report ${scene.directory}`);
  expect(early).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("directory") });
  expect(early.stderr).not.toContain("building");
});

test("a report goes into a pipe, and does not take its place", async () => {
  const pipe = join(await scene.place(), "pipe");
  await execa("mkfifo", [pipe]);
  const [{ exitCode }, read] = await Promise.all([
    scene.worker(`build ${scene.source} -A base --no-out-link --report ${pipe}`),
    execa("cat", [pipe], { timeout: 60_000 }),
  ]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(read.stdout)).toMatchObject({ version: 1, exitCode: 0 });
  expect((await lstat(pipe)).isFIFO()).toBe(true);
});

test.each(["build --report report.json", "status --state-dir state"])(
  "a working directory that was removed is told as such by %s",
  async (line) => {
    const gone = await scene.place();
    const { exitCode, stderr } = await scene.shell(`rmdir "$PWD"; $WORKER ${line}`, { cwd: gone });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^gradient-worker: the working directory is not there .*$/);
  },
);

test("on a terminal draws what runs, and leaves the terminal as it was", async () => {
  const build = `build ${await scene.fresh("terminal")} -A slow --timeout 2 --no-out-link`;
  const line = `script -qec "stty cols 70 rows 20; $WORKER ${build}" /dev/null < /dev/null`;
  const { stdout, exitCode } = await scene.shell(line, { env: { TERM: "xterm" } });
  expect(exitCode).toBe(101);
  expect(stdout).toMatch(/ {2}slow +[\d.]+ s +[\d.]+ cores +[\d.]+ [KM]iB/);
  expect(stdout).toContain("1 building, 0 of 1 done");
  expect(stdout.lastIndexOf("\u001b[?25h")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?25l"));
  const lines = stripVTControlCharacters(stdout).split(/[\r\n]+/);
  const moving = lines.filter((text) => / building, |cores/.test(text));
  expect(Math.max(...moving.map((text) => text.length))).toBeLessThan(70);
});

test("a build whose progress nobody reads any more is built to its end", async () => {
  const build = `build ${await scene.fresh("unread")} -A hello --no-out-link`;
  const { stdout } = await scene.shell(`$WORKER ${build} 2> >(head -n 0); echo "$?"`);
  expect(stdout).toMatch(/^\/nix\/store\/\w{32}-hello\n0$/);
});
