import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually, type BuildView } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, randomToken, type TestWorker } from "../support/farm.ts";
import { TamperingProxy } from "../support/tampering-proxy.ts";

const SLOW = expression(
  `{ slow = mk "slow" "echo begun; i=0; while [ $i -lt 60 ]; do sleep 0.1; i=$((i+1)); done; echo done > $out" { }; }`,
);
const QUICK = expression(`{ quick = mk "quick" "echo quick > $out" { }; }`);

async function isBuilding(farm: TestFarm, evaluation: string, name: string): Promise<BuildView> {
  return eventually(`${name} to build`, 60_000, async () => {
    const items = await farm.api.builds(evaluation);
    if (!items.some((item) => item.name.slice(33) === `${name}.drv` && item.status === "Building"))
      return null;
    const build = await farm.api.buildNamed(evaluation, name);
    const log = await farm.api.call<string>("GET", `/builds/${build.id}/log`);
    return log.includes("begun") ? build : null;
  });
}

describe("faults", () => {
  let farm: TestFarm;

  beforeEach(async () => {
    farm = await TestFarm.start({ leaseSeconds: 10 });
  });

  afterEach(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("a coordinator that is killed in the middle of a build and restarted gets the result of the same attempt", async () => {
    await farm.addWorker("alpha");
    const evaluation = await farm.evaluate(
      await farm.addFilesProject("slow", "*", { "default.nix": SLOW }),
    );
    const before = await isBuilding(farm, evaluation, "slow");
    await farm.restartCoordinator();
    const ended = await farm.ended(evaluation, 60_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const after = await farm.api.buildNamed(evaluation, "slow");
    expect(after.attempt).toBe(before.attempt);
    const log = await farm.api.call<string>("GET", `/builds/${after.id}/log`);
    expect(log.match(/begun/g)).toHaveLength(1);
  });

  test("a worker that is killed in the middle of a build costs one lease and one new attempt", async () => {
    const alpha = await farm.addWorker("alpha");
    const evaluation = await farm.evaluate(
      await farm.addFilesProject("slow", "*", { "default.nix": SLOW }),
    );
    const before = await isBuilding(farm, evaluation, "slow");
    await alpha.kill();
    const beta = await farm.addWorker("beta");
    const ended = await farm.ended(evaluation, 60_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const after = await farm.api.buildNamed(evaluation, "slow");
    expect(after.attempt).toBe((before.attempt ?? 0) + 1);
    expect(after.worker).toBe(beta.id);
  });

  test("a worker that is told to stop finishes its build, takes nothing new, and ends well", async () => {
    const alpha = await farm.addWorker("alpha");
    const evaluation = await farm.evaluate(
      await farm.addFilesProject("slow", "*", { "default.nix": SLOW }),
    );
    const before = await isBuilding(farm, evaluation, "slow");
    alpha.daemon?.process.kill("SIGTERM");
    await eventually("the coordinator to know", 20_000, async () => {
      const [row] = await farm.api.call<{ live: { draining: boolean } | null }[]>(
        "GET",
        "/orgs/acme/workers",
      );
      return row?.live?.draining === true ? true : null;
    });
    const later = await farm.evaluate(
      await farm.addFilesProject("quick", "*", { "default.nix": QUICK }),
    );
    expect(await alpha.daemon?.exited(60_000)).toBe(0);
    expect((await farm.ended(evaluation, 20_000)).status, farm.logs()).toBe("Completed");
    expect((await farm.api.buildNamed(evaluation, "slow")).attempt).toBe(before.attempt);
    expect(["Queued", "Waiting"]).toContain((await farm.api.evaluation(later)).status);
  });

  test("a worker with a wrong token gets no job", async () => {
    const stranger = await farm.addWorker("stranger", { token: randomToken() });
    const evaluation = await farm.evaluate(
      await farm.addFilesProject("quick", "*", { "default.nix": QUICK }),
    );
    await eventually("the refusal", 20_000, async () =>
      /unauthorized|no valid token/i.test(stranger.log) ? true : null,
    );
    const view = await farm.api.evaluation(evaluation);
    expect(["Queued", "Waiting"]).toContain(view.status);
    const workers = await farm.api.call<{ live: unknown }[]>("GET", "/orgs/acme/workers");
    expect(workers.map((worker) => worker.live)).toEqual([null]);
  });

  test("a NAR that is damaged on its way up is refused and nothing becomes visible", async () => {
    await using proxy = await TamperingProxy.start(farm.port);
    await farm.addWorker("alpha", { port: proxy.port });
    const evaluation = await farm.evaluate(
      await farm.addFilesProject("quick", "*", { "default.nix": QUICK }),
    );
    const ended = await farm.ended(evaluation, 60_000);
    expect(ended.status).toBe("Failed");
    expect(proxy.tampered).toBeGreaterThan(0);
    expect(`${ended.error}`).toMatch(/zstd|hash|NAR|corrupt/i);
    expect(await farm.api.builds(evaluation)).toEqual([]);
  });
});

describe("two workers", () => {
  let farm: TestFarm;
  let workers: TestWorker[];

  beforeEach(async () => {
    farm = await TestFarm.start();
    workers = [
      await farm.addWorker("alpha", { flags: ["--max-concurrent-builds", "1"] }),
      await farm.addWorker("beta", { flags: ["--max-concurrent-builds", "1"] }),
    ];
  });

  afterEach(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("share one graph and get each other's outputs", async () => {
    const text = expression(`
      let
        leaf = n: mk "leaf-\${toString n}" "echo \${toString n}; sleep 0.4; echo \${toString n} > $out" { };
        leaves = builtins.genList leaf 8;
      in { top = mk "top" "for x in $deps; do read line < $x; echo $line; done > $out" { deps = leaves; }; }`);
    const evaluation = await farm.evaluate(
      await farm.addFilesProject("graph", "*", { "default.nix": text }),
    );
    const ended = await farm.ended(evaluation, 90_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const items = await farm.api.builds(evaluation);
    const views = await Promise.all(items.map((item) => farm.api.build(item.id)));
    expect(new Set(views.map((view) => view.worker))).toEqual(
      new Set(workers.map((worker) => worker.id)),
    );
  });

  test("a build whose outputs a cache of the organization has is substituted and not built", async () => {
    const project = await farm.addFilesProject("quick", "*", { "default.nix": QUICK });
    await farm.ended(await farm.evaluate(project), 60_000);
    await farm.api.call("PUT", "/orgs", { name: "other", display_name: "Other", description: "" });
    await farm.api.call("POST", "/orgs/other/subscribe/main");
    const alpha = workers[0];
    if (alpha === undefined) throw new Error("no worker");
    await alpha.join(farm, "other");
    await farm.api.call("PUT", "/projects/other", {
      name: "quick",
      display_name: "quick",
      description: "",
      repository: farm.git.url("quick"),
      wildcard: "*",
    });
    const evaluation = await farm.api.call<string>("POST", "/projects/other/quick/evaluate");
    const ended = await farm.ended(evaluation, 60_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const build = await farm.api.buildNamed(evaluation, "quick");
    expect(build.status).toBe("Substituted");
    expect(build.attempt).toBeNull();
  });
});
