import type { AssignmentId, AssignmentKind, Phase } from "@gradient/protocol";
import type { RunJob } from "../jobs/assignments.ts";
import type { Job } from "../jobs/job.ts";
import { subjectOf } from "../journal/record.ts";
import type { Builder, LiveUsage, UsageMeters } from "../ports.ts";

/** Work that runs. */
export interface ActiveJob {
  readonly assignment: AssignmentId;
  readonly kind: AssignmentKind;
  /** What it is about: a derivation, a source, a repository. */
  readonly subject: string;
  readonly organization: string;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  readonly phase: Phase;
  readonly phaseAt: number;
  /** null while nothing of it is measured. */
  readonly live: LiveUsage | null;
}

/** Meters and builds are named after the kind and the assignment that they are for. */
const NAME = /^[a-z]+-(?<assignment>.+)$/;

/** Knows what runs, by standing between those who start work and those who do it. */
export class Activity {
  readonly #jobs = new Map<string, ActiveJob>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** In the order in which they began. */
  jobs(): readonly ActiveJob[] {
    return [...this.#jobs.values()];
  }

  /** The same, seen by the status. It changes nothing of what it passes on. */
  watchRuns(run: RunJob): RunJob {
    return async (spec, job) => {
      const { assignment } = job;
      const { organization, acceptedAt } = job.entry.record;
      this.#jobs.set(assignment, {
        assignment,
        kind: spec.kind,
        subject: subjectOf(spec),
        organization,
        acceptedAt,
        phase: "preparing",
        phaseAt: this.#now(),
        live: null,
      });
      try {
        return await run(spec, this.#watchPhases(job));
      } finally {
        this.#jobs.delete(assignment);
      }
    };
  }

  /** The same, seen by the status. */
  watchBuilds(builder: Builder): Builder {
    return {
      [Symbol.asyncDispose]: () => builder[Symbol.asyncDispose](),
      build: (request) =>
        builder.build({
          ...request,
          onStart: (live) => {
            this.#measured(request.name, live);
            request.onStart(live);
          },
        }),
    };
  }

  /** The same, seen by the status. */
  watchMeters(meters: UsageMeters): UsageMeters {
    return {
      mode: meters.mode,
      description: meters.description,
      start: async (name, limits) => {
        const meter = await meters.start(name, limits);
        this.#measured(name, meter);
        return meter;
      },
    };
  }

  #watchPhases(job: Job): Job {
    return {
      ...job,
      setPhase: (phase) => {
        this.#change(job.assignment, { phase, phaseAt: this.#now() });
        job.setPhase(phase);
      },
    };
  }

  #measured(name: string, live: LiveUsage): void {
    const assignment = NAME.exec(name)?.groups?.["assignment"];
    if (assignment !== undefined) this.#change(assignment, { live });
  }

  #change(assignment: string, change: Partial<ActiveJob>): void {
    const job = this.#jobs.get(assignment);
    if (job !== undefined) this.#jobs.set(assignment, { ...job, ...change });
  }
}
