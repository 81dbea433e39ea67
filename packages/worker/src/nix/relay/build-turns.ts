/**
 * The builds that evaluators wait for. Whoever wants what Nix builds for another one waits for that here: Nix itself would look only
 * every five seconds whether it is there.
 */
export class BuildTurns {
  readonly #taken = new Map<string, Promise<void>>();

  /**
   * Resolves when none of the paths is built for somebody else, with what is to be called once Nix has answered. `onWait` is told when
   * waiting begins, if it does, and when it is over.
   */
  async take(paths: readonly string[], onWait: (isWaiting: boolean) => void): Promise<() => void> {
    const derivations = paths.map(derivationOf);
    let taken = this.#firstTaken(derivations);
    if (taken !== undefined) {
      onWait(true);
      for (; taken !== undefined; taken = this.#firstTaken(derivations)) await taken;
      onWait(false);
    }
    return this.#take(derivations);
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

/** Of what is asked for: a derivation's outputs are named behind it. */
function derivationOf(path: string): string {
  return path.split("!", 1)[0] ?? path;
}
