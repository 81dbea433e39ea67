import { setImmediate } from "node:timers/promises";
import type { NixStore } from "../../ports.ts";
import { readDerivation } from "../derivations.ts";

/** What the walk keeps of a derivation. */
export interface WalkedDerivation {
  readonly drvPath: string;
  readonly inputDrvs: readonly string[];
  readonly inputSrcs: readonly string[];
}

/** Derivations that are read ahead of the coordinator's answer: a question for each level would cost a round trip each. */
const READ_AHEAD = 512;

/** Some milliseconds of reading at a time. */
const GIVE_WAY_EVERY = 64;

/**
 * Walks the closure of derivations for the ones that the coordinator has not got. It remembers what it has seen: the derivations of one
 * evaluation share most of their closures. Who has a derivation has its closure, so nothing below a known one is looked at.
 */
export class ClosureWalk {
  readonly #store: NixStore;
  readonly #ask: (drvPaths: readonly string[]) => Promise<string[]>;
  readonly #seen = new Set<string>();

  constructor(store: NixStore, ask: (drvPaths: readonly string[]) => Promise<string[]>) {
    this.#store = store;
    this.#ask = ask;
  }

  /** The unknown derivations in the closure of the roots that no earlier call gave, inputs before what uses them. */
  async unknownIn(roots: readonly string[]): Promise<WalkedDerivation[]> {
    const unknown = new Map<string, WalkedDerivation>();
    // Mostly everything is known: the first question is for the roots alone.
    let frontier = new Set(roots.filter((path) => !this.#seen.has(path)));
    let readAhead = 0;
    while (frontier.size > 0) {
      const round = await this.#expand(frontier, readAhead);
      readAhead = READ_AHEAD;
      const answer = new Set(await this.#ask(round.map(({ drvPath }) => drvPath)));
      const next = new Set([...frontier].filter((path) => !this.#seen.has(path)));
      for (const derivation of round.filter(({ drvPath }) => answer.has(drvPath))) {
        unknown.set(derivation.drvPath, derivation);
        const unseen = derivation.inputDrvs.filter((path) => !this.#seen.has(path));
        for (const path of unseen) next.add(path);
      }
      frontier = next;
    }
    return dependenciesFirst(unknown);
  }

  /** Reads the frontier and, breadth first, what lies below it, up to `limit` or the frontier's own size. */
  async #expand(frontier: ReadonlySet<string>, limit: number): Promise<WalkedDerivation[]> {
    const round: WalkedDerivation[] = [];
    const queue = [...frontier];
    for (let at = 0; at < queue.length && round.length < Math.max(limit, frontier.size); at += 1) {
      const drvPath = queue[at];
      if (drvPath === undefined || this.#seen.has(drvPath)) continue;
      this.#seen.add(drvPath);
      const { inputDrvs, inputSrcs } = readDerivation(this.#store, drvPath);
      const inputs = [...inputDrvs.keys()];
      round.push({ drvPath, inputDrvs: inputs, inputSrcs });
      queue.push(...inputs);
      if (round.length % GIVE_WAY_EVERY === 0) await setImmediate();
    }
    return round;
  }
}

/** Iterative: closures are deeper than the call stack. */
function dependenciesFirst(found: ReadonlyMap<string, WalkedDerivation>): WalkedDerivation[] {
  const ordered = new Set<WalkedDerivation>();
  const entered = new Set<WalkedDerivation>();
  for (const root of found.values()) {
    const stack = [root];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const isReturn = entered.has(top);
      if (isReturn) {
        stack.pop();
        ordered.add(top);
      } else {
        entered.add(top);
        stack.push(...inputsIn(found, top).filter((input) => !entered.has(input)));
      }
    }
  }
  return [...ordered];
}

function inputsIn(
  found: ReadonlyMap<string, WalkedDerivation>,
  derivation: WalkedDerivation,
): WalkedDerivation[] {
  return derivation.inputDrvs.map((path) => found.get(path)).filter((input) => input !== undefined);
}
