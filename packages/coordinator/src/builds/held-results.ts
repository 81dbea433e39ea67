import type { Fencing, Result } from "@gradient/protocol";

/** A result that came before the outputs of its inputs were shown. */
interface HeldResult<From> {
  readonly derivation: number;
  readonly from: From;
  readonly message: Result;
}

/**
 * A build may start while its inputs are still being signed, and may be done before they are shown. Its result is held until then: what it refers to has to be
 * shown first. Only in memory: the worker keeps it too, and sends it again until it is answered.
 */
export class HeldResults<From> {
  readonly #held = new Map<Fencing, HeldResult<From>>();

  /** A result that comes again takes the place of the one before. */
  hold(derivation: number, from: From, message: Result): void {
    this.#held.set(message.fencing, { derivation, from, message });
  }

  /** Takes what waits for nothing any more. */
  takeReady(
    hasUnfinishedInput: (derivation: number) => boolean,
  ): { readonly from: From; readonly message: Result }[] {
    const ready = [...this.#held.values()].filter(
      ({ derivation }) => !hasUnfinishedInput(derivation),
    );
    for (const { message } of ready) this.#held.delete(message.fencing);
    return ready;
  }
}
