import type { BuildOutcome, UsageRecord } from "@gradient/protocol";
import { NO_ROOM } from "./error-facts.ts";
import type { BuildEnd } from "./ports.ts";

export interface Outcome {
  outcome: BuildOutcome;
  /** One sentence for people; null when built. */
  message: string | null;
  /** Read from Nix's words, as no structure told it. */
  isGuess: boolean;
}

/** What the kernel tells of the attempt; null when it ended before anything ran. */
export type OutcomeUsage = Pick<UsageRecord, "oomKills" | "memoryLimitBytes"> | null;

/** `BuildResult::Status` of Nix's worker protocol. */
const BUILT = new Set([0, 1, 2, 13]);
const THERE_BEFORE = new Set([2, 13]);
const TIMED_OUT = 8;
const INPUT_REJECTED = 4;
const DEPENDENCY_FAILED = 10;
const NO_SUBSTITUTERS = 14;
/**
 * Statuses that are the derivation's own doing, with what to say when Nix says nothing. 9, "misc failure", is not among
 * them: Nix uses it for whatever it has no other status for, such as a .drv file that is not there.
 */
const FAILURES: Readonly<Record<number, string>> = {
  3: "the builder failed",
  5: "the output was not accepted",
  6: "the builder failed, and may not fail the next time",
  7: "the builder has failed before",
  11: "the build wrote more log than Nix allows",
  12: "the build does not give the same output each time",
};

/** Built, substituted, valid already, resolved to something valid. */
export function isBuilt({ status }: Pick<BuildEnd, "status">): boolean {
  return status !== null && BUILT.has(status);
}

/** Nothing was done: the outputs were valid already. */
export function wasThereBefore({ status }: Pick<BuildEnd, "status">): boolean {
  return status !== null && THERE_BEFORE.has(status);
}

/**
 * Decides by structure, in the order of the contract (nixbuild.net's API, outcome table): cancelled by us, time limits,
 * the kernel's count of processes killed for want of memory, our own faults, the request's, the builder's. Only where Nix
 * answers with an error instead of a result is its text read, and the outcome marked as a guess.
 */
export function decideOutcome(end: BuildEnd, usage: OutcomeUsage): Outcome {
  const { status } = end;
  // A process may be killed for memory without the build failing by it.
  if (isBuilt(end)) return known("built", null);
  if (end.endedBy === "cancel") return known("cancelled", "cancelled");
  if (end.endedBy === "deadline" || status === TIMED_OUT) {
    return known("timeout", end.message ?? "the build took longer than its time limit");
  }
  if ((usage?.oomKills ?? 0) > 0) return known("out_of_memory", memoryMessage(usage));
  if (end.endedBy === "loss") {
    return known("internal_error", end.message ?? "Nix ended in the middle of the build");
  }
  if (status === INPUT_REJECTED || status === DEPENDENCY_FAILED || status === NO_SUBSTITUTERS) {
    return known("client_error", end.message ?? "the derivation can not be built here");
  }
  const failure = status === null ? undefined : FAILURES[status];
  if (failure !== undefined)
    return withoutSpace(end) ?? known("build_failed", end.message ?? failure);
  return guess(end);
}

function known(outcome: BuildOutcome, message: string | null): Outcome {
  return { outcome, message, isGuess: false };
}

function memoryMessage(usage: OutcomeUsage): string {
  const limit = usage?.memoryLimitBytes ?? null;
  return limit === null
    ? "a process of the build was killed because this machine had no memory left"
    : `a process of the build was killed because it needed more than its limit of ${Math.round(limit / 1048576)} MiB`;
}

interface TextRule {
  pattern: RegExp;
  outcome: BuildOutcome;
}

const NO_SPACE: TextRule = {
  pattern: NO_ROOM,
  outcome: "internal_error",
};

/** Words of Nix 2.8 to 2.34 in errors that have no status. */
const TEXT_RULES: readonly TextRule[] = [
  NO_SPACE,
  // A system or feature that this machine does not have; what is asked for is not there; a broken .drv file.
  {
    pattern: /is required to build|features? .* (is|are) (required|missing)/i,
    outcome: "client_error",
  },
  { pattern: /is not valid|missing derivation|is not in the Nix store/i, outcome: "client_error" },
  { pattern: /error parsing derivation|expected string/i, outcome: "client_error" },
  // A line of the builder that begins as those of Nix's own programs, and is none: Nix 2.8 gives up over it.
  { pattern: /^\[json\.exception\./, outcome: "build_failed" },
  // The output breaks a rule that the derivation sets, or holds what no store can: a socket, a pipe, a device.
  {
    pattern:
      /cycle detected|failed to produce output|is not allowed to refer|has an unsupported type/i,
    outcome: "build_failed",
  },
  { pattern: /builder for .* failed|Cannot build/i, outcome: "build_failed" },
];

function guess(end: BuildEnd): Outcome {
  const message = end.message ?? `Nix ended the build with the unknown status ${end.status}`;
  const rule = TEXT_RULES.find(({ pattern }) => pattern.test(message));
  return { outcome: rule?.outcome ?? "internal_error", message, isGuess: true };
}

/** What Nix adds when less than 8 MiB were left where a failed build had written. */
const NO_SPACE_NOTE = "note: build failure may have been caused by lack of free disk space";

/** A build that fails on a full disk looks like any other failure, but for Nix's own words: its error, or the note behind it. */
function withoutSpace(end: BuildEnd): Outcome | null {
  // What the builder itself said is quoted in the message, each line behind a '>', and is the builder's own claim.
  const [first = "", ...others] = end.message?.split("\n") ?? [];
  const isNoted = others.some((line) => line.trim() === NO_SPACE_NOTE);
  const isSaid = NO_SPACE.pattern.test(first.split(/last \d+ log lines/)[0] ?? "");
  if (!isNoted && !isSaid) return null;
  return { outcome: NO_SPACE.outcome, message: end.message, isGuess: true };
}
