/** A wait that ends early when somebody is in a hurry. One at a time. */
export class Rest {
  #end = (): void => {};

  /** Resolves after so many milliseconds, or when it is ended. */
  async take(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#end = () => {};
  }

  /** Does nothing when nobody rests. */
  end(): void {
    this.#end();
  }
}
