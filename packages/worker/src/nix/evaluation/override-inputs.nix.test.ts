import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { EvaluationFixture, failureOf, type Evaluated } from "../testing/evaluation-fixture.ts";

let fixture: EvaluationFixture;
/** Flakes that are inputs. */
let inputs: string;

beforeAll(async () => {
  fixture = await EvaluationFixture.make(process.env);
  inputs = await mkdtemp(path.join(tmpdir(), "gradient-inputs-"));
  for (const name of ["old", "new", "third"]) {
    await mkdir(path.join(inputs, name));
    const text = `{ outputs = { self }: { name = "${name}"; }; }`;
    await writeFile(path.join(inputs, name, "flake.nix"), text);
  }
});

afterAll(async () => {
  await rm(inputs, { recursive: true });
  await fixture[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await fixture.clearTree();
});

function urlOf(name: string): string {
  return `path:${path.join(inputs, name)}`;
}

/** A flake whose one derivation is called as its inputs are. */
function flake(...names: string[]): string {
  const declared = names.map((name) => `inputs.${name}.url = "${urlOf("old")}";`);
  const called = names.map((name) => `\${${name}.name}`).join("-");
  return `{
  ${declared.join("\n  ")}
  outputs = { self, ${names.join(", ")} }: {
    job = derivation { name = "${called}"; system = "x86_64-linux"; builder = "/bin/sh"; };
  };
}`;
}

async function lock(): Promise<string> {
  const { tree } = fixture.nix;
  const options = ["--extra-experimental-features", "nix-command flakes"];
  await fixture.nix.run("nix", [...options, "flake", "lock", `path:${tree}`]);
  return fixture.nix.run("cat", [path.join(tree, "flake.lock")]);
}

async function evaluated(
  files: Record<string, string>,
  overrides: Record<string, string>,
  kept: string[] = [],
): Promise<Evaluated> {
  await fixture.nix.write(files);
  const storePath = await fixture.store.addTree(fixture.nix.tree, "source");
  return fixture.evaluate({}, "*", {
    subject: {
      type: "tree",
      directory: fixture.store.physicalPath(storePath),
      storePath,
      overrides: {
        inputs: Object.entries(overrides).map(([input, url]) => ({ input, url })),
        keep: async (each) => {
          kept.push(each);
        },
      },
    },
  });
}

async function lockedFlake(...names: string[]): Promise<Record<string, string>> {
  const files = { "flake.nix": flake(...names) };
  await fixture.nix.write(files);
  return { ...files, "flake.lock": await lock() };
}

test("an input is another one than the lock file says, and the rest is as it was", async () => {
  const files = await lockedFlake("a", "b");
  const kept: string[] = [];
  expect((await evaluated(files, { a: urlOf("new") }, kept)).jobs).toEqual({ job: "new-old.drv" });
  expect(kept).toEqual([expect.stringMatching(/^\/nix\/store\/[0-9a-z]{32}-source$/)]);
  const both = await evaluated(files, { a: urlOf("new"), b: urlOf("third") });
  expect(both.jobs).toEqual({ job: "new-third.drv" });
});

test("an input need not be locked when it is overridden", async () => {
  const { jobs } = await evaluated({ "flake.nix": flake("a") }, { a: urlOf("new") });
  expect(jobs).toEqual({ job: "new.drv" });
});

test("every other input has to be locked", async () => {
  const failure = failureOf(evaluated({ "flake.nix": flake("a", "b") }, { a: urlOf("new") }));
  expect((await failure).message).toContain("not locked: b");
});

test("an input that the flake does not have is refused with those that it has", async () => {
  const failure = failureOf(evaluated(await lockedFlake("a"), { other: urlOf("new") }));
  expect((await failure).message).toBe("the flake has no input 'other'; it has a");
});

test("an input that cannot be fetched is named", async () => {
  const failure = failureOf(evaluated(await lockedFlake("a"), { a: urlOf("nowhere") }));
  expect((await failure).message).toMatch(/^the inputs cannot be overridden: .*nowhere/s);
});

test("a tree that is no flake has no inputs", async () => {
  const failure = failureOf(evaluated({ "default.nix": "{ }" }, { a: urlOf("new") }));
  expect((await failure).message).toContain("no flake.nix");
});
