import { expect, test } from "vitest";
import { exitCodeOf, failureBits } from "./exit-code.ts";

const FAILED = { outcome: "build_failed", message: null, isGuess: false } as const;
const LATE = { outcome: "timeout", message: null, isGuess: false } as const;
const MISMATCH = "hash mismatch in fixed-output derivation '/nix/store/x.drv':";

test.each([
  ["a builder that failed", 100, [failureBits({ status: 3, message: null }, FAILED)]],
  ["an input that was refused", 100, [failureBits({ status: 4, message: null }, FAILED)]],
  ["a build that took too long", 101, [failureBits({ status: 8, message: null }, LATE)]],
  ["a wrong hash", 102, [failureBits({ status: 5, message: MISMATCH }, FAILED)]],
  ["an output that differs", 104, [failureBits({ status: 12, message: null }, FAILED)]],
  ["an output that was not made", 1, [failureBits({ status: 5, message: "no output" }, FAILED)]],
  ["a builder that may succeed next time", 1, [failureBits({ status: 6, message: null }, FAILED)]],
  ["an error in place of a result", 1, [failureBits({ status: null, message: "x" }, FAILED)]],
  [
    "a timeout and a wrong hash",
    103,
    [
      failureBits({ status: 8, message: null }, LATE),
      failureBits({ status: 5, message: MISMATCH }, FAILED),
    ],
  ],
])("%s ends with %d", (_what, exitCode, bits) => {
  expect(exitCodeOf(bits.reduce((joined, each) => joined | each, 0))).toBe(exitCode);
});

test("a builder can not pass its failure off as a wrong hash", () => {
  const message = `builder failed; last 1 log lines:\n> ${MISMATCH}`;
  expect(failureBits({ status: 5, message }, FAILED)).toBe(0);
});
