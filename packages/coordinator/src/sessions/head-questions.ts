import {
  usesSsh,
  type Head,
  type LinkFeature,
  type OrganizationId,
  type WorkerId,
} from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import type { Clock } from "../clock.ts";
import { insertKnownHosts } from "../db/known-host-repository.ts";
import { NoFetchWorkerError, RepositoryUnreachableError, UnavailableError } from "../errors.ts";
import type { Repositories } from "../ports.ts";
import type { ChangeFacts } from "../queue/change.ts";
import type { FindCredentials } from "../queue/offer.ts";
import { readHostKeys } from "../rules/known-hosts.ts";
import type { Roster } from "./roster.ts";
import type { Session } from "./session.ts";

const RESOLVE_HEAD: LinkFeature = "resolve-head";

/** What one worker is asked at a time; it answers some at once and lets the others wait. */
const MAX_OPEN_PER_WORKER = 16;

export interface HeadQuestionsOptions {
  readonly roster: Roster;
  readonly changes: ChangeFacts;
  readonly clock: Clock;
  readonly findCredentials: FindCredentials;
  readonly deadlineMs: number;
}

interface OpenQuestion {
  readonly session: Session;
  readonly organization: OrganizationId;
  readonly settle: (answer: Head | Error) => void;
}

type Question = Parameters<Repositories["head"]>[0];

/**
 * Asks connected workers which commit a reference is: the coordinator has no git, and the keys of an organization go to its own workers only.
 * Nothing of it is kept: whoever asked is told when there is no answer, and asks again.
 */
export class HeadQuestions implements Repositories {
  readonly #options: HeadQuestionsOptions;
  readonly #open = new Map<string, OpenQuestion>();

  constructor(options: HeadQuestionsOptions) {
    this.#options = options;
  }

  async head(question: Question): Promise<string> {
    const { organization, repository, reference } = question;
    // A worker that is gone is told as such before a key is unsealed for it.
    this.#choose(organization);
    const { findCredentials } = this.#options;
    const credentials = usesSsh(repository) ? await findCredentials(organization) : null;
    const session = this.#choose(organization);
    const id = uuidv7();
    const answer = this.#wait(id, session, question);
    session.send({
      type: "resolve-head",
      question: id,
      organization,
      repository,
      reference,
      credentials,
    });
    const { commit, failure, hostKeys } = await answer;
    await this.#believe(session.id, organization, hostKeys);
    if (commit !== null) return commit;
    throw new RepositoryUnreachableError(
      failure?.message ?? "the worker told neither a commit nor a reason",
      failure?.isTransient ?? true,
    );
  }

  /** A worker has answered. What nobody waits for any more is dropped. */
  take(session: Session, answer: Head): void {
    const open = this.#open.get(answer.question);
    if (open?.session === session) open.settle(answer);
  }

  /** The connection is gone: nobody answers what it was asked. */
  lost(session: Session): void {
    for (const open of this.#open.values()) {
      if (open.session !== session) continue;
      open.settle(
        new RepositoryUnreachableError("the worker that was asked has lost its connection", true),
      );
    }
  }

  #choose(organization: OrganizationId): Session {
    const counts = new Map<WorkerId, number>();
    for (const { session } of this.#open.values()) {
      counts.set(session.id, (counts.get(session.id) ?? 0) + 1);
    }
    const able = [...this.#options.roster.connected()].filter(
      (session) =>
        !session.isDraining &&
        session.linkFeatures.has(RESOLVE_HEAD) &&
        session.organizationsFor("fetch").has(organization),
    );
    const openOf = ({ id }: Session) => counts.get(id) ?? 0;
    const [least] = able.toSorted((a, b) => openOf(a) - openOf(b));
    if (least === undefined) throw new NoFetchWorkerError();
    if (openOf(least) < MAX_OPEN_PER_WORKER) return least;
    throw new UnavailableError("too many repositories are being looked at; try again in a moment");
  }

  #wait(id: string, session: Session, { organization }: Question): Promise<Head> {
    const { clock, deadlineMs } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (answer: Head | Error): void => {
        this.#open.delete(id);
        timer[Symbol.dispose]();
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      };
      const timer = clock.after(deadlineMs, () => {
        const seconds = Math.round(deadlineMs / 1000);
        const text = `the repository was not reached within ${seconds} s`;
        settle(new RepositoryUnreachableError(text, true));
      });
      this.#open.set(id, { session, organization, settle });
    });
  }

  async #believe(
    worker: WorkerId,
    organization: OrganizationId,
    lines: readonly string[],
  ): Promise<void> {
    const hosts = readHostKeys(lines);
    if (hosts.length === 0) return;
    await this.#options.changes(({ kysely, now }) =>
      insertKnownHosts(kysely, organization, hosts, { worker, now }),
    );
  }
}
