import { Cron } from "croner";
import { z } from "zod";
import { messageOf } from "../error-facts.ts";
import { BadRequestError } from "../errors.ts";
import { branchReference } from "../rules/branch.ts";

/** Actions of a pull request that can start an evaluation, in GitHub's words. */
const PULL_REQUEST_ACTIONS = ["opened", "synchronize", "reopened"] as const;
export type PullRequestAction = (typeof PULL_REQUEST_ACTIONS)[number];

/** Names of branches or tags; `*` stands for anything, also slashes, and `?` for one character. */
const globs = z.array(z.string().min(1).max(200)).max(100);

const polling = z.object({
  type: z.literal("polling"),
  interval_secs: z.int(),
  /** null is the remote's HEAD. */
  branch: z.string().nullish(),
});
const reporterPush = z.object({
  type: z.literal("reporter_push"),
  integration_id: z.uuid(),
  branches: globs.nullish(),
  tags: globs.nullish(),
  releases_only: z.boolean().nullish(),
});
const reporterPullRequest = z.object({
  type: z.literal("reporter_pull_request"),
  integration_id: z.uuid(),
  /** Of the branch that it is to be merged into. */
  branches: globs.nullish(),
  actions: z.array(z.enum(PULL_REQUEST_ACTIONS)).nullish(),
  /** Whether pull requests of strangers wait until somebody of the organization allows them. */
  require_approval: z.boolean().nullish(),
});
const time = z.object({
  type: z.literal("time"),
  /** Six fields, seconds first, in UTC. */
  cron: z.string().max(200),
});

/** What a trigger waits for, as the API has it. */
export const triggerConfigSchema = z.discriminatedUnion("type", [
  polling,
  reporterPush,
  reporterPullRequest,
  time,
]);
export type TriggerConfig = z.infer<typeof triggerConfigSchema>;

/** As it is told: what told it may be gone. */
export const shownTriggerConfigSchema = z.discriminatedUnion("type", [
  polling,
  reporterPush.extend({ integration_id: z.uuid().nullable() }),
  reporterPullRequest.extend({ integration_id: z.uuid().nullable() }),
  time,
]);
export type ShownTriggerConfig = z.infer<typeof shownTriggerConfigSchema>;

export const DEFAULT_TRIGGER: TriggerConfig = { type: "polling", interval_secs: 300 };

const MIN_INTERVAL_SECONDS = 10;
const MAX_INTERVAL_SECONDS = 30 * 24 * 3600;

/** Throws BadRequestError for a configuration that breaks a rule. */
export function checkTriggerConfig(config: TriggerConfig, now: number): void {
  if (config.type === "time") {
    checkCron(config.cron, now);
  } else if (config.type === "polling") {
    const { interval_secs: interval, branch } = config;
    if (interval < MIN_INTERVAL_SECONDS || interval > MAX_INTERVAL_SECONDS) {
      throw new BadRequestError(
        `interval_secs has to be from ${MIN_INTERVAL_SECONDS} to ${MAX_INTERVAL_SECONDS}`,
      );
    }
    if (typeof branch === "string") branchReference(branch);
  }
}

/** More than a minute has seconds: so many times show how close together a pattern's are. */
const CRON_TIMES = 61;

function checkCron(pattern: string, now: number): void {
  const times = cronOf(pattern).nextRuns(CRON_TIMES, new Date(now)).map(Number);
  if (times.length === 0) {
    throw new BadRequestError(`cron ${JSON.stringify(pattern)} never comes again`);
  }
  const isClose = (time: number, at: number) =>
    at > 0 && time - (times[at - 1] ?? 0) < MIN_INTERVAL_SECONDS * 1000;
  if (times.some(isClose)) {
    throw new BadRequestError(
      `cron ${JSON.stringify(pattern)} comes twice within ${MIN_INTERVAL_SECONDS} seconds`,
    );
  }
}

/** The first time after `now` that the pattern names, milliseconds since the epoch; null when there is none. Throws BadRequestError. */
export function nextCron(pattern: string, now: number): number | null {
  return cronOf(pattern).nextRun(new Date(now))?.getTime() ?? null;
}

function cronOf(pattern: string): Cron {
  try {
    return new Cron(pattern, { timezone: "UTC", mode: "6-part", paused: true });
  } catch (cause) {
    throw new BadRequestError(
      `cron ${JSON.stringify(pattern)} has to have six fields, from seconds to day of the week: ${messageOf(cause)}`,
      { cause },
    );
  }
}
