import type { AssignmentId } from "@gradient/protocol";
import type { BuildFigures } from "../jobs/assignments.ts";
import type { LiveUsage } from "../ports.ts";
import { currentUsage } from "./current-usage.ts";

/** A record of a long build is some ten kilobytes, read by another process: not much more often than somebody looks. */
const INTERVAL_MS = 5000;

/** Tells at regular intervals what the builds that run have used so far. */
export class UsageReports implements Disposable {
  readonly #builds: () => readonly { assignment: AssignmentId; live: LiveUsage }[];
  readonly #report: (figures: readonly BuildFigures[]) => void;
  readonly #timer: NodeJS.Timeout;
  #isReading = false;

  constructor(options: {
    builds: () => readonly { assignment: AssignmentId; live: LiveUsage }[];
    report: (figures: readonly BuildFigures[]) => void;
    intervalMs?: number;
  }) {
    this.#builds = options.builds;
    this.#report = options.report;
    const intervalMs = options.intervalMs ?? INTERVAL_MS;
    this.#timer = setInterval(() => void this.#read(), intervalMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const figures = await Promise.all(this.#builds().map(figuresOf));
    this.#isReading = false;
    const known = figures.flatMap((each) => each ?? []);
    if (known.length > 0) this.#report(known);
  }
}

async function figuresOf({
  assignment,
  live,
}: {
  assignment: AssignmentId;
  live: LiveUsage;
}): Promise<BuildFigures | null> {
  const usage = await currentUsage(live);
  if (usage === null) return null;
  const { cpuUserMs, cpuSystemMs, memoryPeakBytes, storagePeakBytes } = usage;
  const cpuMs = cpuUserMs === null || cpuSystemMs === null ? null : cpuUserMs + cpuSystemMs;
  return { assignment, cpuMs, memoryPeakBytes, storagePeakBytes };
}
