import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AloneScene, type BuildDocument, NIX_COMMAND } from "../support/alone.ts";
import { NixRoot } from "../support/nix-root.ts";

/** `gradient-worker build` beside caches that have, lack or withhold what it needs. */

let scene: AloneScene;

beforeAll(async () => {
  scene = await AloneScene.make();
});

afterAll(() => scene[Symbol.asyncDispose]());

test("takes from a substituter what it has, and builds only the rest", async () => {
  const file = await scene.fresh("cache");
  const base = (await scene.nixBuild(`${file} -A base --no-out-link`)).stdout;
  const cache = `file://${join(scene.directory, "cache")}`;
  await scene.theirs.nix("nix", [...NIX_COMMAND, "copy", "--to", cache, base]);
  const { stdout, stderr } = await scene.worker(`build ${file} -A two --no-out-link --json`, {
    env: { NIX_CONFIG: `substituters = ${cache}\nrequire-sigs = false` },
  });
  const report = JSON.parse(stdout) as BuildDocument;
  expect(report.substituted, stderr).toEqual([base]);
  expect(report.builds.map(({ name }) => name)).toEqual(["hello", "two"]);
});

test("names a substituter that does not answer, once, and builds", async () => {
  const { exitCode, stderr } = await scene.worker(`build ${await scene.fresh("silent")} -A hello`, {
    cwd: await scene.place(),
    env: { NIX_CONFIG: "substituters = http://127.0.0.1:1\ndownload-attempts = 2" },
  });
  expect(exitCode, stderr).toBe(0);
  expect(stderr.match(/^warning: .*127\.0\.0\.1:1.*$/gm), stderr).toHaveLength(1);
});

test("--dry-run says in nix-build's words what would be built and fetched, and builds nothing", async () => {
  const file = await scene.fresh("dry");
  const base = (await scene.nixBuild(`${file} -A base --no-out-link`)).stdout;
  const cache = `file://${join(scene.directory, "dry-cache")}`;
  await scene.theirs.nix("nix", [...NIX_COMMAND, "copy", "--to", cache, base]);
  const env = { NIX_CONFIG: `substituters = ${cache}\nrequire-sigs = false` };
  const cwd = await scene.place();
  const line = `${file} -A two -A sets.inner --dry-run`;
  const dry = await scene.worker(`build ${line}`, { cwd, env });
  const other = await NixRoot.make(join(scene.directory, "dry-store"));
  const plain = await execa("nix-build", line.split(" "), { env: { ...other.env, ...env } });
  await other.remove();
  expect(dry).toMatchObject({ exitCode: 0, stdout: "" });
  // Later versions choose another unit for so few bytes.
  const linesOf = (text: string): string[] =>
    stripVTControlCharacters(text)
      .replace(/\(.* download, .* unpacked\)/, "(sizes)")
      .split("\n")
      .toSorted();
  expect(linesOf(dry.stderr)).toEqual(linesOf(plain.stderr));
  expect(dry.stderr).toMatch(/-hello\.drv\n[^]*-two\.drv\n/);
  expect(dry.stderr).toContain(
    `will be fetched (0.00 MiB download, 0.00 MiB unpacked):\n  ${base}`,
  );
  expect(existsSync(join(cwd, "result"))).toBe(false);
  const failing = await scene.worker(`build ${file} -A throws -A base --dry-run`, { env });
  expect(failing).toMatchObject({ exitCode: 1 });
  expect(failing.stderr).toMatch(/no such luck[^]*this path will be fetched/);
});

test("builds what a substituter offers and does not give", async () => {
  const file = await scene.fresh("outage");
  const base = (await scene.nixBuild(`${file} -A base --no-out-link`)).stdout;
  const cache = join(scene.directory, "broken-cache");
  await scene.theirs.nix("nix", [...NIX_COMMAND, "copy", "--to", `file://${cache}`, base]);
  await rm(join(cache, "nar"), { recursive: true });
  const { exitCode, stdout, stderr } = await scene.worker(`build ${file} -A hello --no-out-link`, {
    env: { NIX_CONFIG: `substituters = file://${cache}\nrequire-sigs = false` },
  });
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/-hello$/);
  expect(stderr).toContain("could not be fetched");
  expect(stderr).toContain("built base");
});
