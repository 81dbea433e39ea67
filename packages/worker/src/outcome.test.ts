import { describe, expect, test } from "vitest";
import { endTimes } from "./nix/build-listener.ts";
import { decideOutcome, type OutcomeUsage } from "./outcome.ts";
import type { BuildEnd } from "./ports.ts";

const quiet: OutcomeUsage = { oomKills: 0, memoryLimitBytes: null };

function end(facts: Partial<BuildEnd>): BuildEnd {
  return { status: null, message: null, ...endTimes(1000, 2000), endedBy: null, ...facts };
}

/** One row of the contract's table each: what is known, and what it means. */
const ROWS: [string, Partial<BuildEnd>, OutcomeUsage, { outcome: string; isGuess?: boolean }][] = [
  ["cancelled by us", { endedBy: "cancel", message: "cancelled" }, quiet, { outcome: "cancelled" }],
  ["our own timer", { endedBy: "deadline" }, quiet, { outcome: "timeout" }],
  ["Nix's time limit", { status: 8, message: "timed out" }, quiet, { outcome: "timeout" }],
  [
    "killed for want of memory",
    { status: 3, message: "failed with exit code 137" },
    { oomKills: 1, memoryLimitBytes: 1048576 },
    { outcome: "out_of_memory" },
  ],
  [
    "Nix itself killed for want of memory",
    { endedBy: "loss", message: "nix-daemon ended with signal SIGKILL" },
    { oomKills: 1, memoryLimitBytes: 1048576 },
    { outcome: "out_of_memory" },
  ],
  ["Nix gone", { endedBy: "loss", message: "gone" }, quiet, { outcome: "internal_error" }],
  ["input rejected", { status: 4 }, quiet, { outcome: "client_error" }],
  ["an input is missing", { status: 10 }, quiet, { outcome: "client_error" }],
  ["no substituter", { status: 14 }, quiet, { outcome: "client_error" }],
  ["builder failed", { status: 3, message: "exit code 7" }, quiet, { outcome: "build_failed" }],
  ["output rejected", { status: 5 }, quiet, { outcome: "build_failed" }],
  ["transient failure", { status: 6 }, quiet, { outcome: "build_failed" }],
  ["cached failure", { status: 7 }, quiet, { outcome: "build_failed" }],
  ["too much log", { status: 11 }, quiet, { outcome: "build_failed" }],
  ["not deterministic", { status: 12 }, quiet, { outcome: "build_failed" }],
  ["built", { status: 0 }, quiet, { outcome: "built" }],
  ["substituted", { status: 1 }, quiet, { outcome: "built" }],
  ["valid already", { status: 2 }, quiet, { outcome: "built" }],
  ["resolved to something valid", { status: 13 }, quiet, { outcome: "built" }],
];

test.each(ROWS)("%s", (_name, facts, usage, expected) => {
  const outcome = decideOutcome(end(facts), usage);
  expect(outcome).toMatchObject({ isGuess: false, ...expected });
  if (expected.outcome === "built") expect(outcome.message).toBeNull();
  else expect(outcome.message).toMatch(/\S/);
});

/** Nix answered with an error in place of a result: only its words are left. */
const GUESSES: [string, string][] = [
  [
    "a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {}",
    "client_error",
  ],
  ["path '/nix/store/x.drv' is not valid", "client_error"],
  ["cannot build missing derivation '/nix/store/x.drv'", "client_error"],
  ["cycle detected in build of '/nix/store/x.drv'", "build_failed"],
  ["[json.exception.type_error.302] type must be number, but is null", "build_failed"],
  ["file '/nix/store/x/pipe' has an unsupported type", "build_failed"],
  ["writing to file: No space left on device", "internal_error"],
  ["something that nobody has seen before", "internal_error"],
];

test.each(GUESSES)("words of Nix are a guess: %s", (message, outcome) => {
  const guess = { outcome, message, isGuess: true };
  expect(decideOutcome(end({ message }), quiet)).toEqual(guess);
  expect(decideOutcome(end({ status: 9, message }), quiet)).toEqual(guess);
});

describe("precedence", () => {
  test("a build that ended well is built, also when it was cancelled too late or lost a process", () => {
    const usage = { oomKills: 1, memoryLimitBytes: 1 };
    expect(decideOutcome(end({ status: 0 }), usage).outcome).toBe("built");
  });

  test("a cancelled build is cancelled, whatever else went wrong", () => {
    const usage = { oomKills: 1, memoryLimitBytes: 1 };
    expect(decideOutcome(end({ endedBy: "cancel", status: 3 }), usage).outcome).toBe("cancelled");
  });

  test("the memory limit is named", () => {
    const usage = { oomKills: 1, memoryLimitBytes: 200 * 1048576 };
    expect(decideOutcome(end({ status: 3 }), usage).message).toContain("200 MiB");
  });

  test("a builder that prints about a full disk has failed; Nix that says so has not built", () => {
    const said = "builder failed with exit code 1;\nlast 1 log lines:\n> No space left on device";
    expect(decideOutcome(end({ status: 3, message: said }), quiet).outcome).toBe("build_failed");
    const nix = "writing to file: No space left on device";
    expect(decideOutcome(end({ status: 9, message: nix }), quiet)).toMatchObject({
      outcome: "internal_error",
      isGuess: true,
    });
  });

  test("a full disk that Nix noted after the builder failed is the machine's fault, unless the builder printed it", () => {
    const note = "note: build failure may have been caused by lack of free disk space";
    const of = (line: string) => `builder failed with exit code 1;\n  last 1 log lines:\n  ${line}`;
    const noted = end({ status: 6, message: of(`> cp: error\n  ${note}`) });
    expect(decideOutcome(noted, quiet)).toMatchObject({ outcome: "internal_error", isGuess: true });
    for (const line of [`> ${note}`, `> x\r${note}`]) {
      const said = end({ status: 6, message: of(line) });
      expect(decideOutcome(said, quiet).outcome).toBe("build_failed");
    }
  });

  test("a status that is not known is a guess", () => {
    expect(decideOutcome(end({ status: 99 }), null)).toMatchObject({
      outcome: "internal_error",
      isGuess: true,
    });
  });
});
