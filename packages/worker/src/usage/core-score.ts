import { performance } from "node:perf_hooks";

const ROUNDS = 400_000;
/** The first ones also compile the loop. The best one had the core for itself, also on a busy machine. */
const RUNS = 6;

let score: number | null = null;

/**
 * Speed of one core: millions of rounds of a fixed integer computation (xorshift) in a second. Found out once, in some
 * milliseconds. It says how far CPU times of different machines can be compared.
 */
export function coreScore(): number {
  score ??= Math.max(...Array.from({ length: RUNS }, measure));
  return score;
}

function measure(): number {
  const startedAt = performance.now();
  let state = 1;
  for (let round = 0; round < ROUNDS; round += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  const elapsedMs = performance.now() - startedAt;
  // The state is never 0; asking keeps the loop from being left out.
  return state === 0 ? 0 : Math.round(ROUNDS / elapsedMs) / 1000;
}
