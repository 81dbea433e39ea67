/** Lets one holder at a time have each key. Holders of other keys do not wait. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `run` while it alone holds all the keys. Keys are taken in sorted order, so that no two callers wait for each other. */
  async hold<T>(keys: Iterable<string>, run: () => Promise<T>): Promise<T> {
    const releases: (() => void)[] = [];
    try {
      for (const key of [...new Set(keys)].toSorted()) releases.push(await this.#take(key));
      return await run();
    } finally {
      for (const release of releases) release();
    }
  }

  async #take(key: string): Promise<() => void> {
    const before = this.#tails.get(key);
    const { promise, resolve } = withResolvers();
    const tail = before === undefined ? promise : before.then(() => promise);
    this.#tails.set(key, tail);
    await before;
    return () => {
      resolve();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
