import { Lane } from "../lane.ts";
import type { BuildSlot, UsageMeter, UsageMeters } from "../ports.ts";

/** Slots that are got ready while others build: more would only be used if as many builds ended at the same moment. */
const MAX_SPARE = 2;

/** A slot with its child in a group that holds nothing else: a build in it can start at once. */
export interface ReadySlot {
  readonly slot: BuildSlot;
  meter: UsageMeter;
}

/**
 * The worker's build slots. The kernel takes some ten milliseconds to move a process between groups, so there are a few slots
 * more than builds at the same time: while one builds, another gets ready for the next build.
 */
export class BuildSlots implements AsyncDisposable {
  readonly #open: () => BuildSlot;
  readonly #meters: UsageMeters;
  readonly #lane: Lane;
  readonly #most: number;
  readonly #ready: ReadySlot[] = [];
  readonly #all = new Set<BuildSlot>();
  readonly #waiting: { resolve: (slot: ReadySlot) => void; reject: (error: unknown) => void }[] =
    [];
  readonly #preparing = new Set<Promise<void>>();
  #made = 0;
  #isClosed = false;

  constructor(options: { count: number; open: () => BuildSlot; meters: UsageMeters }) {
    this.#open = options.open;
    this.#meters = options.meters;
    this.#lane = new Lane(options.count);
    this.#most = options.count + Math.min(options.count, MAX_SPARE);
  }

  /** Waits for a slot, uses it, gives it back. Rejects with the signal's reason when that fires while it waits. */
  use<T>(signal: AbortSignal, work: (ready: ReadySlot) => Promise<T>): Promise<T> {
    return this.#lane.run(signal, async () => {
      const ready = await this.#take();
      try {
        return await work(ready);
      } catch (error) {
        // A slot that failed may be in any state.
        await this.#drop(ready.slot);
        throw error;
      } finally {
        this.#prepare(ready.slot, ready.meter);
      }
    });
  }

  /** Gets a slot ready, when none is. */
  prepare(): void {
    this.#keepSpare();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#preparing);
    await Promise.all([...this.#all].map((slot) => slot[Symbol.asyncDispose]()));
    for (const { meter } of this.#ready) await meter.finish([]);
  }

  async #take(): Promise<ReadySlot> {
    const ready = this.#ready.pop();
    if (ready !== undefined) {
      this.#keepSpare();
      return ready;
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#keepSpare();
    });
  }

  /** One for each that waits, and one for the next build. */
  #keepSpare(): void {
    while (
      this.#ready.length === 0 &&
      this.#preparing.size <= this.#waiting.length &&
      this.#all.size < this.#most &&
      !this.#isClosed
    ) {
      const slot = this.#open();
      this.#all.add(slot);
      this.#prepare(slot, null);
    }
  }

  async #drop(slot: BuildSlot): Promise<void> {
    this.#all.delete(slot);
    await slot[Symbol.asyncDispose]();
  }

  #prepare(slot: BuildSlot, last: UsageMeter | null): void {
    const work = this.#getReady(slot, last).then((isReady) => {
      this.#preparing.delete(work);
      // What fails is tried again only for somebody.
      if (isReady || this.#waiting.length > 0) this.#keepSpare();
    });
    this.#preparing.add(work);
  }

  /** Never rejects: somebody who waits for a slot is told why there is none. */
  async #getReady(slot: BuildSlot, last: UsageMeter | null): Promise<boolean> {
    let isReady = true;
    try {
      if (this.#all.has(slot) && !this.#isClosed) await this.#enter(slot);
    } catch (error) {
      isReady = false;
      this.#waiting.shift()?.reject(error);
      await this.#drop(slot).catch(() => {});
    }
    // It has left the last group, but for a hierarchy in which the new one has no part.
    await last?.finish(slot.pid === null ? [] : [slot.pid]).catch(() => {});
    return isReady;
  }

  async #enter(slot: BuildSlot): Promise<void> {
    this.#made += 1;
    const meter = await this.#meters.start(`build-${this.#made}`, null);
    try {
      await slot.enter(meter);
    } catch (error) {
      await meter.finish([]);
      throw error;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#ready.push({ slot, meter });
    else next.resolve({ slot, meter });
  }
}
