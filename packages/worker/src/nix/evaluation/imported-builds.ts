import type { LogLine } from "./evaluator-lines.ts";

/** Numbers of Nix's internal JSON log. */
const ACTIVITY_BUILD = 105;
const ACTIVITY_BUILD_WAITING = 111;
const RESULT_LOG_LINE = 101;
const KEPT_LOG_LINES = 20;
const MAX_LINE_CHARACTERS = 400;
/** Ended builds whose last lines are kept. */
const KEPT_BUILDS = 20;

interface ImportedBuild {
  drvPath: string;
  startedAt: number;
  lines: string[];
}

/** The last lines of builds that have ended, for all processes of an evaluation: one that failed is not built again for the next. */
export class BuildLogs {
  #ended: ImportedBuild[] = [];

  add(build: ImportedBuild): void {
    this.#ended = [...this.#ended, build].slice(-KEPT_BUILDS);
  }

  /** Of the builds that an error names. */
  logsFor(error: string): string[] {
    return this.#ended
      .filter(({ drvPath, lines }) => lines.length > 0 && error.includes(drvPath))
      .map(({ drvPath, lines }) => `last lines of the log of ${drvPath}:\n${lines.join("\n")}`);
  }
}

/** Builds that happen while one process evaluates, because an expression reads what they make (import from derivation). */
export class ImportedBuilds {
  readonly #running = new Map<number, ImportedBuild>();
  /** For others that build the same. */
  readonly #waits = new Set<number>();
  readonly #logs: BuildLogs;

  constructor(logs: BuildLogs) {
    this.#logs = logs;
  }

  get areRunning(): boolean {
    return this.#running.size > 0 || this.#waits.size > 0;
  }

  /** Takes a line of the log. What to tell of a build that has ended with it, else null. */
  read(log: LogLine): string | null {
    const { action, id = -1, type, fields = [] } = log;
    const [first] = fields;
    if (action === "start" && type === ACTIVITY_BUILD && typeof first === "string") {
      this.#running.set(id, { drvPath: first, startedAt: performance.now(), lines: [] });
      return null;
    }
    if (action === "start" && type === ACTIVITY_BUILD_WAITING) this.#waits.add(id);
    if (action === "stop") this.#waits.delete(id);
    const build = this.#running.get(id);
    if (build === undefined) return null;
    if (action === "result" && type === RESULT_LOG_LINE && typeof first === "string") {
      build.lines.push(first.slice(0, MAX_LINE_CHARACTERS));
      if (build.lines.length > KEPT_LOG_LINES) build.lines.shift();
      return null;
    }
    if (action !== "stop") return null;
    this.#running.delete(id);
    this.#logs.add(build);
    const seconds = ((performance.now() - build.startedAt) / 1000).toFixed(1);
    return `import from derivation: the build of ${build.drvPath} took ${seconds} s`;
  }
}
