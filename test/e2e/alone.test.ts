import { cp, mkdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  AloneScene,
  type BuildDocument,
  EXPRESSION,
  NIX_COMMAND,
  target,
} from "../support/alone.ts";

/** `gradient-worker build` beside nix-build. */

let scene: AloneScene;

beforeAll(async () => {
  scene = await AloneScene.make();
});

afterAll(() => scene[Symbol.asyncDispose]());

test.each([
  ["what is built", "-A hello"],
  ["several outputs and derivations", "-A two -A two.dev -A base"],
  ["outputs by other names", "-A renamed -A two.out -A noOut -A noOut.bin"],
  ["a set that is recursed into", "-A sets"],
  ["a list, what is in it, and an element of it", "-A list -A list.2"],
  ["a list of more than ten", "-A long"],
  ["a list with something that is no derivation", "-A strange"],
  ["all outputs of a derivation", "-A two.all -A noOut.all"],
  ["arguments", "-A hello --argstr marker x --arg salt 1+2"],
  ["a dependency that fails", "-A above"],
  ["a build that takes too long", "-A slow --timeout 1"],
  ["a hash that is not as stated", "-A mismatch"],
  ["a fixed output whose builder fails", "-A fetchFails"],
  ["an output that was not made", "-A noOutput"],
  ["a system that this machine is not", "-A foreign"],
  ["a failure and a wrong hash", "-A fails -A mismatch -k"],
  ["a failure and a timeout", "-A fails -A slow -k --timeout 1"],
  ["an attribute that throws", "-A throws"],
  ["a failure and an attribute that throws", "-A fails -A throws -k"],
  ["an attribute that is not there", "-A nothing"],
])("prints, links and exits like nix-build: %s", async (_what, line) => {
  const [here, there] = [await scene.place(), await scene.place()];
  const [mine, nix] = await Promise.all([
    scene.worker(`build ${scene.source} ${line}`, { cwd: here }),
    scene.nixBuild(`${scene.source} ${line}`, there),
  ]);
  expect(mine.exitCode, mine.stderr).toBe(nix.exitCode);
  expect(mine.stdout).toBe(nix.stdout);
  for (const link of ["result", "result-2", "result-dev"]) {
    expect(await target(join(here, link))).toBe(await target(join(there, link)));
  }
});

test("a pattern that selects nothing is told", async () => {
  const { exitCode, stderr } = await scene.worker(`build ${scene.source} --pattern bse.*`);
  expect(exitCode).toBe(0);
  expect(stderr).toContain(
    `warning: there is no derivation that 'bse.*' selects in ${scene.source}`,
  );
});

test("without -k begins nothing new after a failure, and ends what runs", async () => {
  const line = `build ${await scene.fresh("stop")} -A fails -A slow -j 2 --json`;
  const { exitCode, stdout } = await scene.worker(line);
  expect(exitCode).toBe(100);
  expect(JSON.parse(stdout)).toMatchObject({
    jobs: [{ status: "failed" }, { status: "cancelled" }],
  });
});

test("what a build needs is not collected while it runs", async () => {
  const file = await scene.fresh("collected");
  expect(await scene.worker(`build ${file} -A base --no-out-link`)).toMatchObject({ exitCode: 0 });
  const running = scene.worker(`build ${file} -A lasting --no-out-link`);
  await new Promise<void>((resolve) => {
    running.stderr.on("data", (text: Buffer) => {
      if (text.toString().includes("building lasting")) resolve();
    });
  });
  await scene.ours.nix("nix-store", ["--gc"]);
  expect(await running).toMatchObject({ exitCode: 0 });
});

test("Nix and whoever asked are told what a content-addressed derivation has become", async () => {
  const file = await scene.fresh("floating");
  const env = { ...scene.ours.env, NIX_CONFIG: "extra-experimental-features = ca-derivations" };
  const out = join(scene.directory, "floating");
  const built = await scene.worker(`build ${file} -A floating -o ${out} --json`, { env });
  const { jobs, builds } = JSON.parse(built.stdout) as BuildDocument;
  const again = await scene.worker(`build ${file} -A floating --no-out-link`, { env });
  const build = [file, "-A", "floating", "--no-out-link"];
  const { stdout: path } = await execa("nix-build", build, { env, extendEnv: false });
  expect(path).toMatch(/-floating$/);
  expect([again.stdout, await readlink(out)]).toEqual([path, path]);
  expect(jobs).toMatchObject([{ output: { name: "out", path } }]);
  expect(builds.flatMap(({ outputs }) => outputs)).toContainEqual(
    expect.objectContaining({ name: "out", path }),
  );
  const args = [file, "-A", "floating", "--dry-run"];
  const { stderr } = await execa("nix-build", args, { env, extendEnv: false });
  expect(stderr).not.toContain("built");
});

test("builds what flakes name, their default among it", async () => {
  const flake = join(scene.directory, "flake");
  await cp(scene.source, flake, { recursive: true });
  const set = EXPRESSION.replace("builtins.currentSystem", "system");
  await writeFile(join(flake, "set.nix"), set.replace("{ salt", "{ system, salt"));
  await writeFile(
    join(flake, "flake.nix"),
    `{ outputs = { self }: {
      packages = builtins.listToAttrs (map (system: {
        name = system;
        value = let set = import ./set.nix { inherit system; };
          in { default = set.hello; base = set.base; };
      }) [ "x86_64-linux" "aarch64-linux" ]);
    }; }`,
  );
  const both = await scene.worker(`build path:./flake#base --no-out-link --json`);
  const report = JSON.parse(both.stdout) as BuildDocument;
  expect(report.jobs.map(({ output }) => output.path)).toEqual([expect.stringMatching(/-base$/)]);
  const standard = await scene.worker(`build ./flake# --no-out-link`);
  expect(standard.stdout, standard.stderr).toMatch(/^\/nix\/store\/\w{32}-hello$/);
  const absent = await scene.worker(`build path:./flake#absent --no-out-link`);
  expect(absent.exitCode).toBe(1);
  expect(absent.stderr).toContain("has none of packages.");
});

test("signs what it built with the key of this machine's worker, when there is one", async () => {
  const state = join(scene.directory, "signing-state");
  await mkdir(state);
  const key = ["key", "generate-secret", "--key-name", "worker-test-1"];
  await writeFile(
    join(state, "signing-key"),
    await scene.theirs.nix("nix", [...NIX_COMMAND, ...key]),
  );
  const line = `build ${await scene.fresh("signed")} -A hello --no-out-link --state-dir ${state}`;
  const { stdout } = await scene.worker(line);
  const info = await scene.ours.nix("nix", [...NIX_COMMAND, "path-info", "--sigs", stdout]);
  expect(info).toContain("worker-test-1:");
});

test("Ctrl-C ends what runs at once, and tells what became of it", async () => {
  const child = scene.worker(`build ${await scene.fresh("interrupt")} -A slow --json`);
  child.stderr.on("data", (text: Buffer) => {
    if (text.toString().includes("building slow")) child.kill("SIGINT");
  });
  const { exitCode, stdout } = await child;
  expect(exitCode).toBe(130);
  expect(JSON.parse(stdout)).toMatchObject({
    exitCode: 130,
    builds: [{ name: "slow", outcome: "cancelled" }],
  });
});
