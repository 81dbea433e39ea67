import type { BuildEnd } from "../ports.ts";
import type { Outcome } from "../outcome.ts";

/** Bits of Nix's exit code for builds (`Worker::exitStatus` of libstore). */
const SOME_FAILURE = 0x60;
const BUILD_FAILURE = 0x04;
const TIMED_OUT = 0x01;
const HASH_MISMATCH = 0x02;
const NOT_DETERMINISTIC = 0x08;

/** `BuildResult::Status` of Nix's worker protocol. */
const PERMANENT_FAILURE = 3;
const INPUT_REJECTED = 4;
const OUTPUT_REJECTED = 5;
const CACHED_FAILURE = 7;
const DIFFERS = 12;

/** What went wrong, as bits to be joined. Nothing for what Nix has no bit for: a missing output, a failed fetch, a wrong system. */
export function failureBits(end: Pick<BuildEnd, "status" | "message">, outcome: Outcome): number {
  if (outcome.outcome === "timeout") return BUILD_FAILURE | TIMED_OUT;
  switch (end.status) {
    case PERMANENT_FAILURE:
    case INPUT_REJECTED:
    case CACHED_FAILURE:
      return BUILD_FAILURE;
    case OUTPUT_REJECTED:
      // A status of its own is not among what the protocol tells; the words are Nix's, the builder's stand behind them.
      return (end.message ?? "").startsWith("hash mismatch in fixed-output")
        ? BUILD_FAILURE | HASH_MISMATCH
        : 0;
    case DIFFERS:
      return NOT_DETERMINISTIC;
    default:
      return 0;
  }
}

/** 100 build failed, 101 timeout, 102 hash mismatch, 104 not deterministic, several joined; 1 for everything else. */
export function exitCodeOf(bits: number): number {
  return bits === 0 ? 1 : bits | SOME_FAILURE;
}
