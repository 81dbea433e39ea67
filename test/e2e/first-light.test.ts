import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, type BuildItem, type EvaluationView } from "../support/api-client.ts";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";

describe("one commit through the whole farm", () => {
  let farm: TestFarm;
  let evaluation: EvaluationView;
  let builds: BuildItem[];

  beforeAll(async () => {
    farm = await TestFarm.start();
    await farm.addWorker("alpha");
    const project = await farm.addSampleProject("sample", "*", "first-light");
    evaluation = await farm.ended(await farm.evaluate(project), 110_000);
    builds = await farm.api.builds(evaluation.id);
  }, 120_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  const named = (name: string) => builds.find((build) => build.name.slice(33) === `${name}.drv`);

  test("the evaluation has the commit and ends Failed, because one sample fails on purpose", () => {
    expect(evaluation.status, farm.logs()).toBe("Failed");
    expect(evaluation.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(evaluation.commit).not.toMatch(/^0+$/);
  });

  test("everything that can be built is built", () => {
    const states = Object.fromEntries(
      builds.map((build) => [build.name.slice(33).replace(/\.drv$/, ""), build.status]),
    );
    expect(states, farm.logs()).toMatchObject({
      "chain-4": "Completed",
      "two-outputs": "Completed",
      "burn-cpu": "Completed",
      "fill-memory": "Completed",
    });
  });

  test("a failing build is FailedPermanent with its log, and what depends on it is DependencyFailed", async () => {
    expect(named("fails")?.status).toBe("FailedPermanent");
    expect(named("depends-on-failure")?.status).toBe("DependencyFailed");
    const log = await farm.api.call<string>("GET", `/builds/${named("fails")?.id}/log`);
    expect(log).toContain("fail");
  });

  test("a failed build has a usage record too", async () => {
    const build = await farm.api.buildNamed(evaluation.id, "fails");
    expect(build.usage?.wallMs).toBeGreaterThan(0);
    expect(build.usage?.cpuUserMs).not.toBeNull();
  });

  test("a chain is built in the order of its dependencies", async () => {
    const rows = await Promise.all(
      [1, 2, 3, 4].map((link) => farm.api.buildNamed(evaluation.id, `chain-${link}`)),
    );
    expect(rows.map((row) => row.status)).toEqual([
      "Completed",
      "Completed",
      "Completed",
      "Completed",
    ]);
    const attempts = rows.map((row) => row.attempt ?? 0);
    expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
  });

  test("the narinfo of the evaluated source carries the cache's signature and the worker's", async () => {
    const { source, workerKey } = readSource(farm, evaluation.id);
    const cache = await farm.cache();
    const signers = await eventually("the worker to sign the source", 30_000, async () => {
      const { body } = await request(`${cache.url}/${source.slice(0, 32)}.narinfo`);
      const found = [...(await body.text()).matchAll(/^Sig: (?<key>[^:]+):/gm)];
      return found.length < 2 ? null : found.map(({ groups }) => groups?.["key"]);
    });
    expect(signers, farm.logs()).toEqual([nameOf(cache.publicKey), nameOf(workerKey)]);
  }, 60_000);

  test("a real nix with another root substitutes every output, with signatures required", async () => {
    const second = await NixRoot.make(await mkdtemp(join(tmpdir(), "gradient-second-")));
    try {
      const cache = await farm.cache();
      for (const name of ["chain-4", "two-outputs"]) {
        const { output } = await farm.api.buildNamed(evaluation.id, name);
        for (const path of Object.values(output)) {
          const storePath = path.startsWith("/nix/store/") ? path : `/nix/store/${path}`;
          await second.substitute(storePath, cache);
          expect(await second.nix("nix-store", ["--verify-path", storePath])).toBe("");
        }
      }
    } finally {
      await second.remove();
    }
  }, 60_000);

  test("a cache key that is not trusted is refused by nix", async () => {
    const second = await NixRoot.make(await mkdtemp(join(tmpdir(), "gradient-second-")));
    try {
      const cache = await farm.cache();
      const { output } = await farm.api.buildNamed(evaluation.id, "chain-4");
      const storePath = `/nix/store/${Object.values(output)[0]}`.replace(
        "/nix/store//nix/store/",
        "/nix/store/",
      );
      const stranger = {
        url: cache.url,
        publicKey: "stranger-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
      };
      await expect(second.substitute(storePath, stranger)).rejects.toThrow(/sign/);
    } finally {
      await second.remove();
    }
  }, 60_000);
});

/** Base name of the source tree that was evaluated, and the key of the only worker. */
function readSource(farm: TestFarm, evaluation: string): { source: string; workerKey: string } {
  const database = new Database(join(farm.dataDir, "farm.sqlite"), { readonly: true });
  try {
    const query =
      "select e.source_path as source, w.public_key as workerKey from evaluations e, workers w where e.id = ?";
    const row = database
      .prepare<[string], { source: string; workerKey: string }>(query)
      .get(evaluation);
    if (row === undefined) throw new Error(`there is no evaluation ${evaluation}, or no worker`);
    return row;
  } finally {
    database.close();
  }
}

/** Of a key or a signature, `name:base64`. */
function nameOf(key: string): string {
  return key.slice(0, key.indexOf(":"));
}
