import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";

/** More rounds, and another order of events, for a long run by hand. */
const rounds = Number(process.env["GRADIENT_KILL_ROUNDS"] ?? 8);
const seed = Number(process.env["GRADIENT_KILL_SEED"] ?? 20_261_122);

const LINES = 20;
/** Each depends on two of the row before. */
const ROW = 4;
const rows = rounds;

const GRAPH = expression(`
  let
    node = row: column: mk "node-\${toString row}-\${toString column}" ''
      for x in $inputs; do read line < $x; done
      i=0
      while [ $i -lt ${LINES} ]; do echo "$name line $i ·"; sleep 0.02; i=$((i+1)); done
      echo $name > $out
    '' { inputs = if row == 0 then [ ] else [ (at (row - 1) column) (at (row - 1) (column + 1)) ]; };
    table = builtins.genList (row: builtins.genList (node row) ${ROW}) ${rows};
    at = row: column: builtins.elemAt (builtins.elemAt table row) (column - ${ROW} * (column / ${ROW}));
  in { all = mk "all" "echo all > $out" { inputs = builtins.concatLists table; }; }`);

/** The same numbers in [0, 1) for the same seed (mulberry32). */
function randomNumbers(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let farm: TestFarm;
let worker: TestWorker;

beforeEach(async () => {
  farm = await TestFarm.start({ leaseSeconds: 30 });
  worker = await farm.addWorker("alpha");
});

afterEach(async () => {
  await farm[Symbol.asyncDispose]();
});

/** Ends a daemon in the middle of whatever it does, and starts it again, until nothing is left to do or all rounds are over. */
async function killAtRandom(evaluation: string): Promise<string[]> {
  const random = randomNumbers(seed);
  const killed: string[] = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(random() * 1500);
    const view = await farm.api.evaluation(evaluation);
    if (view.status === "Completed") break;
    // A fetch or an evaluation that is lost with its worker is done again, but only after a while.
    const mayLoseWorker = view.status === "Building";
    if (mayLoseWorker && random() < 0.5) {
      killed.push("worker");
      await worker.kill();
      await sleep(random() * 500);
      worker.start();
    } else {
      killed.push("coordinator");
      await farm.restartCoordinator();
    }
    await isConnected();
  }
  return killed;
}

/** Whoever is killed while the other one still looks for it only makes it look longer. */
async function isConnected(): Promise<void> {
  await eventually("the worker to be connected", 60_000, async () => {
    const [row] = await farm.api.call<{ live: unknown }[]>("GET", "/orgs/acme/workers");
    return row?.live ? true : null;
  });
}

/** What the coordinator has on its disk. */
function facts<Row>(query: string): Row[] {
  const database = new Sqlite(join(farm.dataDir, "farm.sqlite"), { readonly: true });
  try {
    return database.prepare<[], Row>(query).all();
  } finally {
    database.close();
  }
}

test(`after ${rounds} kills of coordinator and worker every build was completed once, and every log is whole`, async () => {
  const project = await farm.addFilesProject("graph", "*", { "default.nix": GRAPH });
  const evaluation = await farm.evaluate(project);
  const killed = await killAtRandom(evaluation);
  const about = `seed ${seed}: ${killed.join(", ")}`;
  const ended = await farm.ended(evaluation, 90_000);
  expect(ended.status, `${about}\n${farm.logs()}`).toBe("Completed");
  expect(killed.length).toBeGreaterThan(rounds / 2);

  const attempts = facts<{ number: number; build: number; name: string; status: string }>(
    `select number, build_id as build, derivations.name, status from attempts
     join builds on builds.id = build_id join derivations on derivations.id = derivation_id`,
  );
  const built = attempts.filter(({ status }) => status === "built");
  expect(built, about).toHaveLength(ROW * rows + 1);
  expect(new Set(built.map(({ build }) => build)).size, about).toBe(built.length);
  const others = attempts.filter(({ status }) => status !== "built");
  expect(new Set(others.map(({ status }) => status)), about).not.toContain("pending");
  expect(new Set(others.map(({ status }) => status)), about).not.toContain("running");

  const published = facts<{ path: string }>(
    "select path from cache_paths where path like '%-node-%' and path not like '%.drv'",
  );
  expect(published.length, about).toBe(ROW * rows);
  const logs = await logsOf(evaluation);
  for (const { build, name } of built.filter((each) => each.name.startsWith("node-"))) {
    const lines = Array.from({ length: LINES }, (_, line) => `${name} line ${line} ·\n`);
    expect(logs.get(name), `${about}, build ${build}`).toBe(lines.join(""));
  }
  await nothingIsLeft();
  await everythingCanBeFetched(evaluation);
});

/** Every build's log, by its name. */
async function logsOf(evaluation: string): Promise<Map<string, string>> {
  const logs = new Map<string, string>();
  for (const { id, name } of await farm.api.builds(evaluation)) {
    const log = await farm.api.call<string>("GET", `/builds/${id}/log`);
    logs.set(name.slice(33).replace(/\.drv$/, ""), log);
  }
  return logs;
}

/** Results are acknowledged, leases are gone. */
async function nothingIsLeft(): Promise<void> {
  await eventually("every result to be acknowledged", 20_000, async () =>
    (await readdir(join(worker.stateDir, "journal"))).length === 0 ? true : null,
  );
  await eventually("every lease to end", 20_000, async () =>
    facts("select 1 from assignments").length === 0 ? true : null,
  );
}

async function everythingCanBeFetched(evaluation: string): Promise<void> {
  const build = await farm.api.buildNamed(evaluation, "all");
  const root = await NixRoot.make(join(farm.directory, "second-store"));
  const cache = await farm.cache();
  try {
    for (const path of Object.values(build.output)) {
      await root.substitute(path.startsWith("/") ? path : `/nix/store/${path}`, cache);
    }
  } finally {
    await root.remove();
  }
}
