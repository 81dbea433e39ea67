import type { UsageRecord } from "@gradient/protocol";
import type {
  Builder,
  BuildEnd,
  BuildRequest,
  BuildSlot,
  UsageMeter,
  UsageMeters,
} from "../ports.ts";
import { BuildSlots } from "./slots.ts";

/** Builds in this process's own slots. */
export class SlotBuilder implements Builder {
  readonly #slots: BuildSlots;
  readonly #meters: UsageMeters;

  constructor(options: {
    readonly slots: number;
    readonly openSlot: () => BuildSlot;
    readonly meters: UsageMeters;
  }) {
    this.#slots = new BuildSlots(options.slots, options.openSlot);
    this.#meters = options.meters;
  }

  /** The slot is free again before the last figures are read: they wait for the kernel. */
  async build(request: BuildRequest): Promise<{ end: BuildEnd; usage: UsageRecord }> {
    const { meter, end } = await this.#slots.use(request.signal, (slot) =>
      this.#buildIn(slot, request),
    );
    return { end, usage: await meter.finish([]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#slots[Symbol.asyncDispose]();
  }

  async #buildIn(
    slot: BuildSlot,
    { name, drvPath, limits, onStart, onLog, signal }: BuildRequest,
  ): Promise<{ meter: UsageMeter; end: BuildEnd }> {
    const { memoryBytes, cores } = limits;
    const meter = await this.#meters.start(name, { memoryBytes, cores });
    try {
      onStart(meter);
      const end = await slot.build({ drvPath, limits, meter, onLog, signal });
      return { meter, end };
    } catch (error) {
      await meter.finish([]);
      throw error;
    }
  }
}
