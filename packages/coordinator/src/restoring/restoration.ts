import type {
  LinkFeature,
  OrganizationId,
  RestoreResult,
  RestoreSpec,
  WorkerId,
} from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { NamedPath, RestoreView } from "../db/restore-view.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { ConnectedWorker, Fleet } from "../queue/fleet.ts";
import type { Question, WorkerQuestions } from "./worker-questions.ts";

const RESTORE: LinkFeature = "restore";

/** Of one question. The bytes are those of NARs; a larger NAR is asked for alone. */
const MAX_NARS = 100;
const MAX_BYTES = 2 ** 30;
const MAX_PATHS = 1000;
/** An answer may take so long, and for what has to be read and sent as long as a slow line needs. */
const BASE_DEADLINE_MS = 120_000;
const SLOWEST_BYTES_PER_SECOND = 1024 * 1024;
/** Those that were there so long before a start come back after it. */
const SEEN_BEFORE_MS = 3_600_000;
const LOOK_MS = 1000;
/** Of what a worker says nobody reads more. */
const MAX_PROBLEM_CHARACTERS = 200;

export interface LostNar {
  readonly narHash: string;
  readonly narSize: number;
}

/** Who has brought a NAR back, or could; or why nobody did, in a text for each worker that was thought of. */
export type Restored =
  | { readonly isRestored: true; readonly by: string }
  | { readonly isRestored: false; readonly problems: readonly string[] };

export interface RestorationParts {
  readonly view: RestoreView;
  readonly fleet: Fleet;
  readonly questions: WorkerQuestions;
  readonly intake: Pick<NarIntake, "expectAgain" | "isExpected">;
  readonly clock: Clock;
  /** Resolves when everything that is committed now is durable. */
  readonly flushed: () => Promise<void>;
  /** When this process began, and how long workers may take to come back to it. */
  readonly openedAt: number;
  readonly workersBackMs: number;
}

interface OpenNar extends LostNar {
  readonly paths: readonly NamedPath[];
  readonly asked: Set<WorkerId>;
  readonly problems: string[];
  by: string | null;
}

/**
 * Brings lost NARs back from the stores of connected workers, for one check. A worker is asked only for paths that one of its organizations may see, one worker
 * after the other. What it sends is taken by the same intake as everything else, so nothing but the bytes of that hash can come in.
 */
export class Restoration {
  readonly #parts: RestorationParts;
  readonly #isTrial: boolean;
  readonly #signal: AbortSignal;
  /** Workers that did not answer, and what became of them. */
  readonly #silent = new Map<WorkerId, string>();

  /** With a trial workers only look whether they could. */
  constructor(parts: RestorationParts, run: { isTrial: boolean; signal: AbortSignal }) {
    this.#parts = parts;
    this.#isTrial = run.isTrial;
    this.#signal = run.signal;
  }

  /** What became of each of the NARs, in their order. */
  async restore(nars: readonly LostNar[]): Promise<Restored[]> {
    const { intake, flushed } = this.#parts;
    await this.#workersBack();
    const open = nars.map((nar) => this.#open(nar));
    using _expected = this.#isTrial ? null : intake.expectAgain(nars.map(({ narHash }) => narHash));
    for (;;) {
      const question = this.#next(open);
      if (question === null) break;
      await this.#ask(question);
    }
    // A file whose row a power failure takes back would be damaged again.
    if (!this.#isTrial) await flushed();
    return open.map((nar) => this.#restored(nar));
  }

  #open({ narHash, narSize }: LostNar): OpenNar {
    const paths = this.#parts.view.pathsWith(narHash);
    return { narHash, narSize, paths, asked: new Set(), problems: [], by: null };
  }

  #restored({ by, problems, paths }: OpenNar): Restored {
    if (by !== null) return { isRestored: true, by };
    if (problems.length > 0) return { isRestored: false, problems };
    const none =
      paths.length === 0
        ? "no organization may see it"
        : "no worker of an organization that may see it is connected";
    return { isRestored: false, problems: [none] };
  }

  /** Workers come back within seconds to a coordinator that was started. */
  async #workersBack(): Promise<void> {
    const { clock, openedAt, workersBackMs } = this.#parts;
    while (clock.now() < openedAt + workersBackMs && this.#isSomebodyAway()) {
      await new Promise<void>((resolve) => {
        clock.after(LOOK_MS, resolve);
      });
      this.#signal.throwIfAborted();
    }
  }

  #isSomebodyAway(): boolean {
    const { view, fleet, openedAt } = this.#parts;
    const connected = new Set<string>(Array.from(fleet.connected(), ({ id }) => id));
    return view.workersSeenSince(openedAt - SEEN_BEFORE_MS).some((id) => !connected.has(id));
  }

  /** Asks the worker of which most can be hoped for. */
  #next(open: readonly OpenNar[]): NextQuestion | null {
    const lost = open.filter((nar) => this.#isLost(nar));
    let best: NextQuestion | null = null;
    for (const worker of this.#parts.fleet.connected()) {
      for (const organization of worker.authorized) {
        const nars = lost.filter((nar) => !nar.asked.has(worker.id) && isNamed(nar, organization));
        if (nars.length > (best?.nars.length ?? 0)) best = { worker, organization, nars };
      }
    }
    return best;
  }

  #isLost(nar: OpenNar): boolean {
    if (!this.#isTrial && nar.by === null && !this.#parts.intake.isExpected(nar.narHash)) {
      nar.by = "what somebody has just uploaded";
    }
    return nar.by === null;
  }

  async #ask({ worker, organization, nars }: NextQuestion): Promise<void> {
    const name = this.#nameOf(worker, organization);
    const refusal = this.#reasonNotToAsk(worker);
    const asked = refusal === null ? bounded(nars) : nars;
    for (const nar of asked) nar.asked.add(worker.id);
    if (refusal !== null) {
      for (const nar of asked) nar.problems.push(`${name}: ${refusal}`);
      return;
    }
    const spec = specOf(asked, organization, this.#isTrial);
    const deadlineMs = deadlineOf(asked);
    const question: Question = { worker, organization, spec, deadlineMs };
    const reply = await this.#parts.questions.ask(question, this.#signal);
    if (!reply.isAnswered) this.#silent.set(worker.id, printable(reply.reason));
    for (const nar of asked) {
      const problem = reply.isAnswered
        ? problemOf(nar, spec, reply.result)
        : printable(reply.reason);
      const isDone = this.#isTrial ? problem === null : !this.#parts.intake.isExpected(nar.narHash);
      if (isDone) nar.by = name;
      else
        nar.problems.push(
          `${name}: ${problem ?? "it says that it has sent it, but it did not come"}`,
        );
    }
  }

  #reasonNotToAsk(worker: ConnectedWorker): string | null {
    if (!worker.linkFeatures.has(RESTORE)) return "its release cannot bring paths back";
    if (worker.isDraining) return "it is draining";
    return this.#silent.get(worker.id) ?? null;
  }

  #nameOf({ id }: ConnectedWorker, organization: OrganizationId): string {
    const name = printable(this.#parts.view.workerName(organization, id));
    return name === "" ? `worker ${id}` : `worker ${name} (${id})`;
  }
}

interface NextQuestion {
  readonly worker: ConnectedWorker;
  readonly organization: OrganizationId;
  readonly nars: readonly OpenNar[];
}

function isNamed({ paths }: OpenNar, organization: OrganizationId): boolean {
  return paths.some((named) => mayName(named, organization));
}

function mayName(named: NamedPath, organization: OrganizationId): boolean {
  return named.organization === null || named.organization === organization;
}

/** The first of them, as many as one question may hold. */
function bounded(nars: readonly OpenNar[]): OpenNar[] {
  let bytes = 0;
  const some: OpenNar[] = [];
  for (const nar of nars.slice(0, MAX_NARS)) {
    bytes += nar.narSize;
    if (some.length > 0 && bytes > MAX_BYTES) break;
    some.push(nar);
  }
  return some;
}

function specOf(
  nars: readonly OpenNar[],
  organization: OrganizationId,
  isTrial: boolean,
): RestoreSpec {
  const each = Math.floor(MAX_PATHS / nars.length);
  const paths = nars.flatMap(({ narHash, narSize, paths: all }) => {
    const named = all.filter((path) => mayName(path, organization));
    const bases = [...new Set(named.map(({ path }) => path))].slice(0, each);
    return bases.map((base) => ({
      path: `/nix/store/${base}`,
      narHash: `sha256:${narHash}`,
      narSize,
    }));
  });
  return { kind: "restore", paths, isTrial };
}

function deadlineOf(nars: readonly LostNar[]): number {
  const bytes = nars.reduce((sum, { narSize }) => sum + narSize, 0);
  return BASE_DEADLINE_MS + (bytes / SLOWEST_BYTES_PER_SECOND) * 1000;
}

/** null when one of the NAR's paths has no problem. */
function problemOf(
  { narHash }: LostNar,
  { paths }: RestoreSpec,
  result: RestoreResult,
): string | null {
  const problems = new Map(result.paths.map(({ path, problem }) => [path, problem]));
  const own = paths
    .filter((path) => path.narHash === `sha256:${narHash}`)
    .map(({ path }) => problems.get(path));
  if (own.includes(null)) return null;
  // The first one is as good as any.
  return printable(own.find((problem) => problem !== undefined) ?? "it says nothing of it");
}

/** Stands in a report, and on terminals. */
function printable(text: string): string {
  return text
    .replaceAll(/[\p{C}\s]+/gu, " ")
    .slice(0, MAX_PROBLEM_CHARACTERS)
    .trim();
}
