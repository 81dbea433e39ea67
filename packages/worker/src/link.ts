import {
  LINK_FEATURES,
  LINK_VERSIONS,
  type Hello,
  type ToCoordinator,
  type Welcome,
} from "@gradient/protocol";
import { reasonOf } from "./error-facts.ts";
import type { Assignments } from "./jobs/assignments.ts";
import type { Heads } from "./jobs/fetch/heads.ts";
import type { Logger } from "./logger.ts";
import type { WorkMessage } from "./session/connection.ts";
import type { Feed } from "./session/feed.ts";
import type { SessionHandler } from "./session/session.ts";
import type { TransferAccess } from "./transfer/access.ts";

/** What the worker says of itself at every connection. */
export type WorkerFacts = Omit<
  Hello,
  "type" | "versions" | "features" | "isDraining" | "assignments"
>;

/** Connects what comes over the session with the parts of the worker that it is meant for. */
export class Link implements SessionHandler {
  readonly #facts: WorkerFacts;
  readonly #assignments: Assignments;
  readonly #feed: Feed;
  readonly #access: TransferAccess;
  readonly #heads: Heads;
  readonly #logger: Logger;
  #isOpen = false;

  constructor(options: {
    facts: WorkerFacts;
    assignments: Assignments;
    feed: Feed;
    access: TransferAccess;
    heads: Heads;
    logger: Logger;
  }) {
    this.#facts = options.facts;
    this.#assignments = options.assignments;
    this.#feed = options.feed;
    this.#access = options.access;
    this.#heads = options.heads;
    this.#logger = options.logger;
  }

  hello(): Hello {
    return {
      type: "hello",
      ...this.#facts,
      versions: LINK_VERSIONS,
      features: [...LINK_FEATURES],
      isDraining: this.#assignments.isDraining,
      assignments: this.#assignments.list(),
    };
  }

  welcomed(welcome: Welcome): void {
    this.#access.grant(welcome.transferToken);
    // A welcome also ends every later challenge, in the middle of a session.
    if (!this.#isOpen) this.#feed.begin();
    this.#isOpen = true;
    this.#assignments.welcomed(welcome);
  }

  lost(): void {
    this.#isOpen = false;
    this.#access.revoke();
    this.#heads.forget();
    this.#assignments.lost();
  }

  waits(): void {}

  pull(): Promise<ToCoordinator | null> {
    return this.#feed.next();
  }

  received(message: WorkMessage): void {
    switch (message.type) {
      case "offer":
        this.#assignments.offer(message);
        break;
      case "cancel":
        this.#assignments.cancel(message, message.reason);
        break;
      case "ack":
        this.#watch(this.#assignments.acknowledge(message, message));
        break;
      case "log-ack":
        this.#feed.acknowledgeLog(message.assignment, message.offset);
        break;
      case "eval-ack":
        this.#watch(this.#assignments.acknowledgeBatch(message, message.sequence));
        break;
      case "resolve-head":
        this.#heads.answer(message);
        break;
      case "refused":
        this.#logger.warn({ reason: message.reason }, "the coordinator refused a message");
        break;
      case "leases":
        // Work goes on whatever is left of a lease: only the coordinator says what becomes of it.
        this.#logger.trace({ leases: message.leases.length }, "leases renewed");
        break;
    }
  }

  #watch(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#logger.error({ reason: reasonOf(error) }, "the journal cannot be written");
    });
  }
}
