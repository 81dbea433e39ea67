import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "./command.mjs";
import { makeSampleRepository } from "./sample-repository.mjs";

let home;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gradient-sample-"));
});

afterAll(async () => {
  await runCommand("chmod", ["-R", "u+w", home]);
  await rm(home, { recursive: true });
});

function evaluate(directory, expression) {
  const env = { ...process.env, NIX_REMOTE: `local?root=${join(home, "store")}` };
  const args = ["--eval", "--strict", "--json", "--expr", expression];
  return runCommand("nix-instantiate", args, { cwd: directory, env }).then(JSON.parse);
}

test("the same salt gives the same commit, another salt another one", async () => {
  const make = (name, salt) => makeSampleRepository({ directory: join(home, name), salt });
  const one = await make("one", "dew");
  const same = await make("same", "dew");
  const other = await make("other", "frost");
  expect(one.commit).toMatch(/^[0-9a-f]{40}$/);
  expect(same.commit).toBe(one.commit);
  expect(other.commit).not.toBe(one.commit);
});

test("all is committed on main, and the clone evaluates by itself", async () => {
  const directory = join(home, "origin");
  const clone = join(home, "clone");
  const { commit } = await makeSampleRepository({ directory, salt: "0" });
  await runCommand("git", ["clone", "--quiet", "--branch=main", directory, clone]);
  expect(await runCommand("git", ["log", "--format=%H %s"], { cwd: clone })).toBe(
    `${commit} First light\n`,
  );
  const names = await evaluate(clone, "builtins.attrNames (import ./default.nix { })");
  expect(names).toEqual([
    "burn-cpu",
    "chain",
    "depends-on-failure",
    "fails",
    "fill-memory",
    "links",
    "two-outputs",
  ]);
});

test("a salt changes every derivation", async () => {
  const directory = join(home, "salted");
  await makeSampleRepository({ directory, salt: "0" });
  const paths = (salt) =>
    evaluate(
      directory,
      `let all = import ./default.nix { ${salt} };
       in map (name: all.\${name}.drvPath) [ "chain" "two-outputs" "fails" "burn-cpu" "fill-memory" ]`,
    );
  const plain = await paths("");
  expect(await paths('salt = "0";')).toEqual(plain);
  const salted = await paths('salt = "1";');
  expect(salted.filter((path) => plain.includes(path))).toEqual([]);
});
