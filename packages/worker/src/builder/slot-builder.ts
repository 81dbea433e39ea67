import type { UsageRecord } from "@gradient/protocol";
import { Lane } from "../lane.ts";
import { isBuilt } from "../outcome.ts";
import type {
  Builder,
  BuildEnd,
  BuildRequest,
  BuildSlot,
  Preparable,
  UsageMeters,
} from "../ports.ts";
import { BuildSlots, type ReadySlot } from "./slots.ts";

/** Builds in this process's own slots. */
export class SlotBuilder implements Builder, Preparable {
  readonly #slots: BuildSlots;
  readonly #meters: UsageMeters;
  /**
   * Those under way, by derivation. Nix would have another build of the same one wait in its slot, with its time measured, and look every
   * five seconds whether the first is done.
   */
  readonly #same = new Map<string, { readonly lane: Lane; builds: number }>();

  constructor(options: {
    readonly slots: number;
    readonly openSlot: () => BuildSlot;
    readonly meters: UsageMeters;
  }) {
    const { slots: count, openSlot: open, meters } = options;
    this.#slots = new BuildSlots({ count, open, meters });
    this.#meters = meters;
  }

  async build(request: BuildRequest): Promise<{ end: BuildEnd; usage: UsageRecord }> {
    const { drvPath, signal } = request;
    const same = this.#same.get(drvPath) ?? { lane: new Lane(1), builds: 0 };
    this.#same.set(drvPath, same);
    same.builds += 1;
    try {
      return await same.lane.run(signal, () =>
        this.#slots.use(signal, (ready) => this.#buildIn(ready, request)),
      );
    } finally {
      same.builds -= 1;
      if (same.builds === 0) this.#same.delete(drvPath);
    }
  }

  prepare(): void {
    this.#slots.prepare();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#slots[Symbol.asyncDispose]();
  }

  async #buildIn(
    ready: ReadySlot,
    { name, drvPath, inputs, limits, onStart, onBuilt, onLog, signal }: BuildRequest,
  ): Promise<{ end: BuildEnd; usage: UsageRecord }> {
    const { slot } = ready;
    const { memoryBytes, cores } = limits;
    if (!ready.meter.begin({ memoryBytes, cores })) {
      const unfit = ready.meter;
      ready.meter = await this.#meters.start(name, { memoryBytes, cores });
      try {
        await slot.enter(ready.meter);
      } finally {
        await unfit.finish([]);
      }
    }
    const { meter } = ready;
    onStart(meter);
    const end = await slot.build({ drvPath, inputs, limits, meter, onLog, signal });
    if (isBuilt(end)) onBuilt?.();
    const usage = await meter.figures(slot.pid === null ? [] : [slot.pid]);
    return { end, usage };
  }
}
