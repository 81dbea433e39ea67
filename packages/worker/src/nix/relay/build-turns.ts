/** What Nix says of a build that would end in the same way again, itself or what it depends on. */
const LASTING_FAILURE =
  /builder (?:for '[^']*' )?failed with exit code|dependenc(?:y|ies) .*failed/;

/** `failure` is the frame that Nix answered; `end` is to be called with that, or null, once it has answered. */
type BuildTurn = { failure: Buffer } | { end: (failure: Buffer | null) => void };

/**
 * The builds that evaluators wait for. Whoever wants what Nix builds for another one waits for that here: Nix itself would look only
 * every five seconds whether it is there. What has failed is not built again: a failure ends an evaluator, and those that follow it
 * come to the same for each attribute that needs it.
 */
export class BuildTurns {
  readonly #oomKills: () => number;
  readonly #taken = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, Buffer>();

  /** `oomKills`: how many processes the kernel has killed. What failed then may be built when there is more memory. */
  constructor(oomKills: () => number) {
    this.#oomKills = oomKills;
  }

  /**
   * Resolves when none of the paths is built for somebody else. `onWait` is told when waiting begins, if it does, and when it is over.
   */
  async take(paths: readonly string[], onWait: (isWaiting: boolean) => void): Promise<BuildTurn> {
    const derivations = paths.map(derivationOf);
    let taken = this.#firstTaken(derivations);
    if (taken !== undefined) {
      onWait(true);
      for (; taken !== undefined; taken = this.#firstTaken(derivations)) await taken;
      onWait(false);
    }
    const [derivation = "", ...others] = derivations;
    const failure = others.length === 0 ? this.#failures.get(derivation) : undefined;
    if (failure !== undefined) return { failure };
    const killsBefore = this.#oomKills();
    const free = this.#take(derivations);
    return {
      end: (answer) => {
        const isKept = others.length === 0 && this.#oomKills() === killsBefore;
        if (isKept && isLasting(answer)) this.#failures.set(derivation, answer);
        free();
      },
    };
  }

  #firstTaken(derivations: readonly string[]): Promise<void> | undefined {
    const taken = derivations.find((each) => this.#taken.has(each));
    return taken === undefined ? undefined : this.#taken.get(taken);
  }

  #take(derivations: readonly string[]): () => void {
    let free = (): void => {};
    const taken = new Promise<void>((resolve) => {
      free = resolve;
    });
    for (const each of derivations) this.#taken.set(each, taken);
    return () => {
      for (const each of derivations) this.#taken.delete(each);
      free();
    };
  }
}

function isLasting(answer: Buffer | null): answer is Buffer {
  return answer !== null && LASTING_FAILURE.test(answer.toString("latin1"));
}

/** Of what is asked for: a derivation's outputs are named behind it. */
function derivationOf(path: string): string {
  return path.split("!", 1)[0] ?? path;
}
