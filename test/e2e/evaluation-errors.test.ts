import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, type EvaluationView } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";

/** Each fault is found where a user looks for it, and nothing else stops. */
describe("bad input to an evaluation", () => {
  let farm: TestFarm;

  beforeAll(async () => {
    farm = await TestFarm.start();
    await farm.addWorker("alpha");
  }, 60_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  async function evaluated(
    name: string,
    wildcard: string,
    files: Record<string, string>,
  ): Promise<EvaluationView> {
    return farm.ended(
      await farm.evaluate(await farm.addFilesProject(name, wildcard, files)),
      60_000,
    );
  }

  test("a repository that cannot be fetched is refused where it is asked for, in git's words", async () => {
    await farm.api.call("PUT", "/projects/acme", {
      name: "nowhere",
      display_name: "nowhere",
      description: "",
      repository: farm.git.url("no-such-repository"),
      wildcard: "*",
    });
    await eventually("the worker to connect", 30_000, async () => {
      const [worker] = await farm.api.call<{ live: unknown }[]>("GET", "/orgs/acme/workers");
      return worker?.live ? true : null;
    });
    const refusal = {
      status: 400,
      code: "repository_unreachable",
      message: expect.stringContaining("no-such-repository"),
    };
    await expect(farm.evaluate("nowhere")).rejects.toMatchObject(refusal);
    const check = farm.api.call("POST", "/projects/acme/nowhere/check-repository");
    await expect(check).rejects.toMatchObject(refusal);
  });

  test("a repository that can be fetched says its newest commit, and that is evaluated", async () => {
    const project = await farm.addFilesProject("checked", "*", { "default.nix": "{ }\n" });
    const path = `/projects/acme/${project}/check-repository`;
    const commit = await farm.api.call<string>("POST", path);
    expect(commit).toMatch(/^[0-9a-f]{40}$/);
    expect(await farm.api.call("POST", path, { branch: "main" })).toBe(commit);
    await expect(farm.api.call("POST", path, { branch: "gone" })).rejects.toMatchObject({
      message: expect.stringContaining("has no branch gone"),
    });
    const view = await farm.ended(await farm.evaluate(project), 60_000);
    expect(view.commit).toBe(commit);
  });

  test("a syntax error is reported with file and position", async () => {
    const view = await evaluated("syntax", "*", { "default.nix": "{\n  a = ;\n}\n" });
    expect(view.status).toBe("Failed");
    expect(view.error).toMatch(/syntax error/);
    expect(view.error).toMatch(/default\.nix:2/);
  });

  test("a tree without an expression says which files were looked for", async () => {
    const view = await evaluated("empty", "*", { README: "nothing here\n" });
    expect(view.status).toBe("Failed");
    expect(view.error).toMatch(/default\.nix/);
  });

  test("attributes that throw, abort, recurse for ever or are missing fail alone, and the good one is built", async () => {
    const body = `{
      good = mk "good" "echo good > $out" { };
      throws = throw "this attribute throws";
      aborts = abort "this attribute aborts";
      recursion = let x = x; in x;
      deep = let f = i: 1 + f (i + 1); in f 0;
      missing = ({ }).no.such.attribute;
      missing-file = import ./no-such-file.nix;
      zlast = mk "zlast" "echo last > $out" { };
    }`;
    const view = await evaluated("poison", "*", { "default.nix": expression(body) });
    expect(view.status).toBe("Failed");
    const states = Object.fromEntries(
      (await farm.api.builds(view.id)).map((build) => [build.name.slice(33), build.status]),
    );
    expect(states, farm.logs()).toEqual({ "good.drv": "Completed", "zlast.drv": "Completed" });
    for (const text of [
      "this attribute throws",
      "this attribute aborts",
      "infinite recursion",
      "no-such-file.nix",
      "missing",
    ]) {
      expect(view.error).toContain(text);
    }
    expect(view.error).toMatch(/stack overflow|max-call-depth/i);
  });

  test("a flake is evaluated with its lock; an input that is not locked is named, with what to do", async () => {
    const flake = (inputs: string): Record<string, string> => ({
      "flake.nix": `{ ${inputs} outputs = { self, ... }: { checks.x86_64-linux = ${expression('{ good = mk "good" "echo good > $out" { }; }').replaceAll("builtins.currentSystem", '"x86_64-linux"')}; }; }`,
    });
    const locked = await evaluated("flake", "checks.#.#", flake(""));
    expect(locked.status, farm.logs()).toBe("Completed");
    const unlocked = flake('inputs.other.url = "path:/no/such/input";');
    const view = await evaluated("unlocked", "checks.#.#", unlocked);
    expect(view.status).toBe("Failed");
    expect(view.error).toContain("'other'");
    expect(view.error).toContain("commit flake.lock");
  });

  test("a builder that is missing fails the build with Nix's own words", async () => {
    const view = await evaluated("builder", "*", {
      "default.nix":
        '{ lost = derivation { name = "lost"; system = builtins.currentSystem; builder = "/no/such/builder"; }; }\n',
    });
    expect(view.status).toBe("Failed");
    const build = await farm.api.buildNamed(view.id, "lost");
    expect(build.status).toBe("FailedPermanent");
  });

  test("a pattern that matches nothing is an error that names it", async () => {
    const view = await evaluated("nothing", "no-such-attribute", {
      "default.nix": expression('{ a = mk "a" "echo > $out" { }; }'),
    });
    expect(view.status).toBe("Failed");
    expect(view.error).toContain("no-such-attribute");
  });
});
