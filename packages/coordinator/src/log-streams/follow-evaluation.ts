import { listProgress, type BuildProgress } from "../db/build-view.ts";
import type { Queries } from "../db/client.ts";
import { findEvaluation } from "../db/evaluation-repository.ts";
import type { Logs } from "../ports.ts";
import { isEndedAttempt } from "../scheduler/attempt-state.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";
import { LinePrefix } from "./log-text.ts";
import { pause } from "./pause.ts";
import { TextChannel } from "./text-channel.ts";

/** How often new attempts of the evaluation are looked for. */
const LOOK_EVERY_MS = 1000;
/** A build that changed while it was being read may carry an older time. */
const LOOK_BACK_MS = 5000;
const CHANNEL_CHARACTERS = 1024 * 1024;

interface Follower {
  logs: Logs;
  channel: TextChannel;
  signal: AbortSignal;
  fail: (error: unknown) => void;
}

/**
 * Logs of all builds of an evaluation, every line with its derivation's name before it: first the stored ones whole, one build after the
 * other, then what running builds append, until the evaluation has ended. A slow reader slows the reading, never a build.
 */
export async function* followEvaluation(
  dependencies: { db: Queries; logs: Logs },
  evaluationId: string,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const { db, logs } = dependencies;
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const channel = new TextChannel(CHANNEL_CHARACTERS, stop);
  const fail = (error: unknown) => failed.abort(error);
  const reading = readAll(db, evaluationId, { logs, channel, signal: stop, fail }).then(
    () => channel.end(),
    fail,
  );
  try {
    yield* channel;
    if (failed.signal.aborted && !signal.aborted) throw failed.signal.reason;
  } finally {
    failed.abort();
    await reading;
  }
}

async function readAll(db: Queries, evaluationId: string, follower: Follower): Promise<void> {
  const { signal, fail } = follower;
  const taken = new Set<number>();
  const running: Promise<void>[] = [];
  let since = 0;
  while (!signal.aborted) {
    const evaluation = await findEvaluation(db, evaluationId);
    const changed = await listProgress(db, evaluationId, since);
    since = Math.max(since, ...changed.map((build) => build.updated_at - LOOK_BACK_MS));
    const fresh = changed.filter((build) => isToBeRead(build, taken));
    for (const build of fresh) taken.add(build.attempt);
    for (const build of fresh.filter(hasEnded)) await copyLog(build, follower);
    for (const build of fresh.filter((each) => !hasEnded(each))) {
      running.push(copyLog(build, follower).catch(fail));
    }
    if (evaluation === null || !isActiveEvaluation(evaluation.state)) break;
    await pause(LOOK_EVERY_MS, signal);
  }
  await Promise.all(running);
}

type StartedBuild = BuildProgress & { attempt: number };

function isToBeRead(build: BuildProgress, taken: ReadonlySet<number>): build is StartedBuild {
  return build.attempt !== null && build.attempt_status !== "pending" && !taken.has(build.attempt);
}

function hasEnded(build: BuildProgress): boolean {
  return build.attempt_status !== null && isEndedAttempt(build.attempt_status);
}

async function copyLog(build: StartedBuild, { logs, channel, signal }: Follower): Promise<void> {
  const prefix = new LinePrefix(build.name);
  for await (const text of logs.follow(build.attempt, 0, signal)) {
    const lines = prefix.push(text);
    if (lines !== "") await channel.send(lines);
  }
  const rest = prefix.flush();
  if (rest !== "") await channel.send(rest);
}
