import { insertAttempts } from "../db/attempt-repository.ts";
import { moveBuilds } from "../db/build-repository.ts";
import { findReadyBuildsOf } from "../db/ready-build-repository.ts";
import { addUnfinishedBuilds, countLinks } from "../db/evaluation-build-repository.ts";
import type { Change } from "../queue/change.ts";

/** Queues builds that wait for nothing any more, each with a pending attempt. */
export async function queueReadyBuilds(change: Change, builds: readonly number[]): Promise<void> {
  if (builds.length === 0) return;
  const { kysely, now, news } = change;
  const queued = await moveBuilds(kysely, builds, "ready", now, { ready_at: now, message: null });
  await insertAttempts(kysely, queued, now);
  news.ready.push(...(await findReadyBuildsOf(kysely, queued)));
}

/** Counts builds that reached an end state, in every active evaluation that has them. */
export async function countFinished(change: Change, builds: readonly number[]): Promise<void> {
  for (const [evaluation, count] of await countLinks(change.kysely, builds)) {
    const left = await addUnfinishedBuilds(change.kysely, evaluation, -count);
    if (left === 0) change.news.settled.add(evaluation);
  }
}

/** Counts builds that left an end state. */
export async function countReopened(change: Change, builds: readonly number[]): Promise<void> {
  for (const [evaluation, count] of await countLinks(change.kysely, builds)) {
    await addUnfinishedBuilds(change.kysely, evaluation, count);
  }
}
