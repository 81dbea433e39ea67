import { once } from "node:events";
import { readFileSync } from "node:fs";
import { execa } from "execa";
import { expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { freePort } from "../support/ports.ts";
import { commands } from "../support/programs.ts";

const FILES = {
  "default.nix": expression(`{
    endless = mk "endless" "echo begun; while true; do i=$((i+1)); done" { };
    short = mk "short" "echo > $out" { };
  }`),
};

function ask(worker: TestWorker, ...argv: string[]) {
  const { command, argv: own } = commands.worker;
  return execa(command, [...own, ...argv, "--state-dir", worker.stateDir], {
    reject: false,
    timeout: 60_000,
  });
}

interface Status {
  isDraining: boolean;
  connection: { isAccepted: boolean };
  jobs: { kind: string; phase: string; subject: string; usage: { cpuMs: number } | null }[];
}

async function statusOf(worker: TestWorker): Promise<Status> {
  return JSON.parse((await ask(worker, "status", "--json")).stdout) as Status;
}

/** Of this worker, without those that every process has. */
function servedNames(metrics: string): string[] {
  return Array.from(
    metrics.matchAll(/^# TYPE (gradient_\w+)/gm),
    ([, name = ""]) => name,
  ).toSorted();
}

function documentedNames(): string[] {
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const [, section = ""] = /^## Worker$(.*?)^## /ms.exec(page) ?? [];
  return Array.from(
    section.matchAll(/`(gradient_worker_\w+)`/g),
    ([, name = ""]) => name,
  ).toSorted();
}

test("a worker shows what it builds and what that uses, is drained by a command, and ends with 0", async () => {
  await using farm = await TestFarm.start();
  const port = await freePort();
  const flags = ["--max-concurrent-builds", "2", "--metrics-listen", `127.0.0.1:${port}`];
  const worker = await farm.addWorker("worker", { flags });
  const project = await farm.addFilesProject("endless", "*", FILES);
  const evaluation = await farm.evaluate(project);

  const building = await eventually("CPU use of the endless build", 60_000, async () => {
    const answer = await ask(worker, "status", "--json");
    if (answer.exitCode !== 0) return null;
    const { jobs, connection } = JSON.parse(answer.stdout) as Status;
    const job = jobs.find(({ subject }) => subject.endsWith("-endless.drv"));
    return (job?.usage?.cpuMs ?? 0) > 100 ? { job, connection } : null;
  });
  expect(building).toMatchObject({
    job: { kind: "build", phase: "building" },
    connection: { isAccepted: true },
  });
  const { stdout } = await ask(worker, "status");
  expect(stdout).toMatch(/^build +building .* [\d.]+ cores .*-endless\.drv$/m);

  const metrics = await eventually("the short build to be counted", 30_000, async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return text.includes('jobs_total{kind="build",outcome="built"} 1') ? text : null;
  });
  expect(metrics).toContain('gradient_worker_jobs_running{kind="build"} 1\n');
  expect(metrics).toContain('gradient_worker_evaluated_attributes_total{outcome="derivation"} 2\n');
  expect(metrics).toContain("gradient_worker_connected 1\n");
  expect(metrics).toContain("gradient_worker_build_wall_seconds_count 1\n");
  expect(metrics).toMatch(/^gradient_worker_sent_bytes_total [1-9]/m);
  await checkWithPromtool(metrics);
  expect(servedNames(metrics)).toEqual(documentedNames());

  expect(await ask(worker, "drain")).toMatchObject({ exitCode: 0 });
  expect((await statusOf(worker)).isDraining).toBe(true);
  await eventually("the coordinator to show that it drains", 30_000, async () => {
    const [shown] = await farm.api.call<{ live: { draining: boolean } | null }[]>(
      "GET",
      "/orgs/acme/workers",
    );
    return shown?.live?.draining === true ? true : null;
  });
  const waiting = ask(worker, "drain", "--wait");
  await once(waiting.stderr, "data");
  await farm.api.call("POST", `/evals/${evaluation}`, { method: "abort" });
  const drained = await waiting;
  expect(drained, drained.stderr).toMatchObject({ exitCode: 0, stderr: "draining\ndrained" });
  expect(await worker.daemon?.exited(15_000)).toBe(0);
  const after = await ask(worker, "status");
  expect(after.exitCode).toBe(1);
  expect(after.stderr).toMatch(/^gradient-worker: no worker answers at .*status\.sock/);
});

/** Where Prometheus' own checker is installed, it has to agree. */
async function checkWithPromtool(metrics: string): Promise<void> {
  const { failed, exitCode, stderr } = await execa("promtool", ["check", "metrics"], {
    input: metrics,
    reject: false,
  });
  if (failed && exitCode === undefined) return;
  expect(exitCode, stderr).toBe(0);
}
