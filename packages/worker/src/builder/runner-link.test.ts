import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type FromRunner, type KeptEnd, RUNNER_PROTOCOL } from "../runner/messages.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { BuildPlace } from "../nix/build-place.ts";
import { findNix } from "../nix/installation.ts";
import { findRunners } from "./launch-runner.ts";
import { type BuildFollower, RunnerLink } from "./runner-link.ts";

const OUTCOME: KeptEnd = { type: "failed", message: "for the test" };

/** A runner of which only the words are real: it greets with these builds. */
async function greeting(names: string[]): Promise<{ link: RunnerLink; runner: Socket }> {
  const path = join(await temporaryDirectory(), "runner.sock");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const called = once(server, "connection");
  const opening = RunnerLink.open(path);
  const [runner] = (await called) as [Socket];
  const builds = names.map((name) => ({ name, isStarted: false, logBytes: 0 }));
  tell(runner, { type: "hello", protocol: RUNNER_PROTOCOL, fingerprint: "", builds });
  const link = await opening;
  if (link === null) throw new Error("the greeting was not understood");
  onTestFinished(() => {
    link.leave();
    runner.destroy();
    server.close();
  });
  return { link, runner };
}

function tell(runner: Socket, message: FromRunner): void {
  runner.write(`${JSON.stringify(message)}\n`);
}

/** Follows a build. Resolves to everything that was told of it, once it has ended. */
function followed(link: RunnerLink, name: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    const told: unknown[] = [];
    const end = (what: unknown): void => resolve([...told, what]);
    const follower: BuildFollower = {
      onStarted: () => told.push("started"),
      onBuilt: () => told.push("built"),
      onLog: (logBytes) => told.push(logBytes),
      onUsage: () => told.push("usage"),
      onEnded: end,
      onLost: () => end("lost"),
    };
    link.follow(name, follower);
  });
}

test("a runner that went between its greeting and the first question has lost its builds", async () => {
  const { link, runner } = await greeting(["lost"]);
  runner.destroy();
  expect(await link.closed).toBe(1);
  expect(await followed(link, "lost")).toEqual([0, "lost"]);
});

test("a build that went on and ended before somebody followed it is told as it is", async () => {
  const { link, runner } = await greeting(["early", "late"]);
  tell(runner, { type: "started", name: "early" });
  tell(runner, { type: "log", name: "early", logBytes: 5 });
  tell(runner, {
    type: "ended",
    name: "early",
    logBytes: 7,
    logFailure: null,
    outcome: OUTCOME,
  });
  // Whatever was told before this one has been heard.
  const late = followed(link, "late");
  tell(runner, { type: "built", name: "late" });
  tell(runner, { type: "ended", name: "late", logBytes: 0, logFailure: null, outcome: OUTCOME });
  expect(await late).toEqual([0, "built", 0, OUTCOME]);
  expect(await followed(link, "early")).toEqual(["started", 7, OUTCOME]);
});

test("a runner that speaks another protocol is left alone, and nothing is left of a dead one", async () => {
  const stateDirectory = await temporaryDirectory();
  const runners = join(stateDirectory, "runners");
  await mkdir(runners);
  await writeFile(join(runners, "dead.sock"), "");
  await writeFile(join(runners, "dead.log"), "");
  const places = join(runners, "dead.places");
  const environment = { PATH: process.env["PATH"] ?? "", TMPDIR: stateDirectory };
  const place = await BuildPlace.make(environment, places);
  expect(place?.isThere).toBe(true);
  const protocol = RUNNER_PROTOCOL + 1;
  const server = createServer((runner) => {
    runner.on("error", () => {});
    tell(runner, { type: "hello", protocol, fingerprint: "", builds: [] });
  });
  onTestFinished(() => {
    server.close();
  });
  server.listen(join(runners, "other.sock"));
  await once(server, "listening");
  const nix = findNix({ store: "", environment });
  expect(await findRunners({ stateDirectory, nix })).toEqual([]);
  await expect.poll(() => readdir(runners)).toEqual(["other.sock"]);
  expect(place?.isThere).toBe(false);
});
