/** The bearer token for bulk transfers. It lives as long as a session; whoever transfers waits until there is one. */
export class TransferAccess {
  #token: string | null = null;
  readonly #waiting = new Set<(token: string) => void>();

  /** A session was accepted. */
  grant(token: string): void {
    this.#token = token;
    for (const resolve of this.#waiting) resolve(token);
    this.#waiting.clear();
  }

  /** The session is gone, and its token with it. */
  revoke(): void {
    this.#token = null;
  }

  /** The token of the current session or of the next one. Rejects with the signal's reason. */
  async token(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#token !== null) return this.#token;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(onToken);
        reject(signal.reason);
      };
      const onToken = (token: string): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(token);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(onToken);
    });
  }
}
