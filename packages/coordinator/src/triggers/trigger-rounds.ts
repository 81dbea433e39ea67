import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import {
  claimDueTriggers,
  recordFired,
  recordLook,
  type DueTrigger,
  type LookResult,
} from "../db/trigger-repository.ts";
import { CoordinatorError, NoFetchWorkerError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Evaluations, Repositories, TriggeredStart } from "../ports.ts";
import { headOf } from "../projects/find-head.ts";
import { Rounds } from "../rounds.ts";
import { branchReference } from "../rules/branch.ts";
import { nextDue } from "./next-due.ts";
import { configOf } from "./stored-config.ts";
import type { ShownTriggerConfig } from "./trigger-config.ts";

const ROUND_MS = 1000;
/** However many projects there are, so many repositories are looked at together. */
const MAX_AT_ONCE = 8;
/** Longer than any look: a trigger that was taken by a process that ended looks again then. */
const CLAIM_MS = 120_000;

export interface TriggerRoundsOptions {
  readonly database: Database;
  readonly evaluations: Evaluations;
  readonly repositories: Repositories;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** What a look came to. */
interface Seen {
  /** The newest commit that nothing more is to be started for. */
  readonly revision: string | null;
  /** There is a newer one that could not be started for, or nothing could be seen. */
  readonly isBehind: boolean;
}

function idle({ revision }: DueTrigger): Seen {
  return { revision, isBehind: false };
}

/** Lets triggers look that look by themselves: at a repository for a new commit, or at the clock. When each is due stands in the database. */
export class TriggerRounds implements AsyncDisposable {
  readonly #options: TriggerRoundsOptions;
  readonly #rounds: Rounds;
  readonly #looking = new Set<Promise<void>>();
  /** More may be due than the last round took. */
  #isBehind = false;

  constructor(options: TriggerRoundsOptions) {
    this.#options = options;
    const { clock, logger } = options;
    const run = () => this.#round();
    this.#rounds = new Rounds({ name: "triggers", intervalMs: ROUND_MS, clock, logger, run });
  }

  /** Resolves when no round and no look is under way. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#rounds.idle();
      if (this.#looking.size === 0) return;
      await Promise.all(this.#looking);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]();
    await this.idle();
  }

  async #round(): Promise<void> {
    const { database, clock } = this.#options;
    const limit = MAX_AT_ONCE - this.#looking.size;
    if (limit <= 0) return;
    const now = clock.now();
    const due = await database.relaxedTransaction(({ kysely }) =>
      claimDueTriggers(kysely, { now, until: now + CLAIM_MS, limit }),
    );
    this.#isBehind = due.length === limit;
    for (const trigger of due) {
      const look = this.#look(trigger).finally(() => {
        this.#looking.delete(look);
        // The next one does not wait for the next second.
        if (this.#isBehind) this.#rounds.wake();
      });
      this.#looking.add(look);
    }
  }

  /** Never rejects: what fails is told by the trigger, and tried again later. */
  async #look(trigger: DueTrigger): Promise<void> {
    const { logger } = this.#options;
    try {
      const config = configOf(trigger);
      try {
        const { revision, isBehind } =
          trigger.project_active === 1 ? await this.#fire(trigger, config) : idle(trigger);
        await this.#record(trigger, config, { failures: 0, error: null, revision, isBehind });
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        // Nothing was tried: the repository is not at fault.
        const failures = error instanceof NoFetchWorkerError ? 0 : trigger.failures + 1;
        const { revision } = trigger;
        const { message } = error;
        await this.#record(trigger, config, { failures, error: message, revision, isBehind: true });
      }
    } catch (error) {
      logger.error({ err: error, trigger: trigger.id }, "a trigger failed; it looks again later");
    }
  }

  async #fire(trigger: DueTrigger, config: ShownTriggerConfig): Promise<Seen> {
    const { evaluations, database, clock } = this.#options;
    const start = await this.#startOf(trigger, config);
    if (start === null) return idle(trigger);
    const isSeen = start.revision !== null && start.revision === trigger.revision;
    if (isSeen && trigger.project_forced === 0) return idle(trigger);
    const { outcome } = await evaluations.startTriggered(start);
    if (outcome === "created") {
      await database.relaxedTransaction(({ kysely }) =>
        recordFired(kysely, trigger.id, clock.now()),
      );
    }
    // What has to give way to an active evaluation is looked at again.
    const isBehind = outcome === "concurrency";
    const isStarted = outcome === "created" || outcome === "same_commit";
    return { revision: isStarted ? start.revision : trigger.revision, isBehind };
  }

  async #startOf(
    { id, type, project_id: projectId, organization_id, repository }: DueTrigger,
    config: ShownTriggerConfig,
  ): Promise<TriggeredStart | null> {
    const trigger = { id, type };
    if (config.type === "time") {
      return { projectId, trigger, revision: null, reference: null, repeats: "allowed" };
    }
    if (config.type !== "polling") return null;
    const { branch = null } = config;
    const reference = branch === null ? null : branchReference(branch);
    const { repositories } = this.#options;
    const revision = await headOf(repositories, { organization_id, repository }, reference);
    return { projectId, trigger, revision, reference };
  }

  async #record(
    trigger: DueTrigger,
    config: ShownTriggerConfig,
    { isBehind, ...result }: Pick<LookResult, "failures" | "error"> & Seen,
  ): Promise<void> {
    const { database, clock, random = Math.random } = this.#options;
    const now = clock.now();
    // A hook's look is over when it has seen everything.
    const due_at =
      trigger.is_hook === 1 && !isBehind
        ? null
        : nextDue(config, { now, failures: result.failures, random: random() });
    // After a power failure it looks again.
    await database.relaxedTransaction(({ kysely }) =>
      recordLook(kysely, trigger, { ...result, due_at, checked_at: now }),
    );
  }
}
