interface Waiting<T> {
  readonly resolve: (reply: T) => void;
  readonly reject: (error: unknown) => void;
}

/** What a thread replies, in the order in which it is asked. Once it is over, whoever waits or asks is refused. */
export class ThreadReplies<T> {
  readonly #waiting: Waiting<T>[] = [];
  #end: { readonly error: unknown } | null = null;

  /** The reply to what is asked now. */
  next(): Promise<T> {
    const reply = new Promise<T>((resolve, reject) => {
      if (this.#end !== null) reject(this.#end.error);
      else this.#waiting.push({ resolve, reject });
    });
    // Whoever awaits it is told; something else may go wrong before.
    reply.catch(() => undefined);
    return reply;
  }

  give(reply: T): void {
    this.#waiting.shift()?.resolve(reply);
  }

  end(error: unknown): void {
    this.#end ??= { error };
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
