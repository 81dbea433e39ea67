/** What was opened, to be closed in reverse order. (Node 20 has no AsyncDisposableStack.) */
export class Resources implements AsyncDisposable {
  readonly #opened: (AsyncDisposable | Disposable)[] = [];

  /** Takes over the resource and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.#opened.push(resource);
    return resource;
  }

  /** Closes all, also when some fail; then throws the first failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const resource of this.#opened.splice(0).reverse()) {
      try {
        if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
        else resource[Symbol.dispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
