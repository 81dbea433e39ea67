import type { PathFacts } from "@gradient/protocol";
import { orAborted } from "../abort.ts";
import { WorkerError } from "../errors.ts";
import type { NixStore } from "../ports.ts";
import type { TransferScope } from "../transfer/client.ts";
import { together } from "../transfer/together.ts";
import type { Transfers } from "../transfer/transfers.ts";

/** Brings paths from the coordinator's caches into the local store. Jobs that need the same path import it once. */
export class Imports {
  readonly #store: NixStore;
  readonly #transfers: Transfers;
  readonly #running = new Map<string, Promise<void>>();

  constructor(store: NixStore, transfers: Transfers) {
    this.#store = store;
    this.#transfers = transfers;
  }

  /**
   * Makes the paths and their closures valid. Resolves to what neither this store nor a cache has; then nothing is imported.
   * The caller has rooted the paths.
   */
  async ensure(paths: readonly string[], scope: TransferScope): Promise<string[]> {
    const valid = await this.#store.validPaths(paths);
    const wanted = paths.filter((path) => !valid.has(path));
    if (wanted.length === 0) return [];
    const closure = await this.#transfers.closure(wanted, scope);
    const here = await this.#store.validPaths([
      ...closure.paths.map(({ path }) => path),
      ...closure.missing,
    ]);
    const missing = closure.missing.filter((path) => !here.has(path));
    if (missing.length > 0) return missing;
    await this.#importAll(
      closure.paths.filter(({ path }) => !here.has(path)),
      scope,
    );
    return [];
  }

  /** References come first in the list; each path waits for its own and no others. The first failure ends the rest. */
  async #importAll(closure: readonly PathFacts[], scope: TransferScope): Promise<void> {
    const imported = new Map<string, Promise<void>>();
    await together(scope, closure, (facts, each) => {
      const references = facts.references
        .filter((path) => path !== facts.path)
        .map((path) => imported.get(path) ?? Promise.resolve());
      const own = Promise.all(references).then(() => this.#importOnce(facts, each));
      imported.set(facts.path, own);
      return own;
    });
  }

  /** Joins an import of the same path by another job. When that one fails (it may have been cancelled), tries itself. */
  async #importOnce(facts: PathFacts, scope: TransferScope): Promise<void> {
    const { path } = facts;
    for (;;) {
      scope.signal.throwIfAborted();
      const running = this.#running.get(path);
      if (!running) break;
      const isImported = running.then(
        () => true,
        () => false,
      );
      if (await orAborted(scope.signal, isImported)) return;
    }
    const own = this.#transfers.downloadNar(facts, scope).catch((cause: unknown) => {
      if (cause instanceof WorkerError) throw cause;
      throw new WorkerError("import-failed", `cannot import ${path}: ${String(cause)}`, {
        isTransient: true,
        cause,
      });
    });
    this.#running.set(path, own);
    try {
      await own;
    } finally {
      this.#running.delete(path);
    }
  }
}
