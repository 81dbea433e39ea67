import type { Clock } from "../clock.ts";
import type { NarObject } from "../db/nar-object-repository.ts";
import { ConflictError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { NarStaging, StagedNar } from "../storage/nar-storage.ts";
import type { NarClaim } from "./nar-claim.ts";
import type { NarIntake } from "./nar-intake.ts";
import type { TransferGrant } from "./transfer-access.ts";

/** For less the further requests cost more than the way through this process. */
const DIRECT_FROM_BYTES = 8 * 1024 ** 2;
/** Bytes of a file. It is copied by one request: S3 takes up to 5 GiB, but stores that copy byte by byte have to be done within its deadline. */
const MAX_FILE_BYTES = 2 * 1024 ** 3;
/** Whoever waits for a NAR that is looked at is answered within so long: proxies do not wait for ever. */
const ANSWER_MS = 20_000;

type Uploader = Pick<TransferGrant, "worker" | "assignment" | "organization">;

/** NARs that workers put into the object store by themselves. Where they lie there belongs to one worker, assignment and NAR. */
export class DirectUploads {
  readonly #staging: NarStaging | null;
  readonly #nars: Pick<NarIntake, "findHeld" | "takeStaged">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What is being looked at, by its name. */
  readonly #running = new Map<string, Promise<NarObject>>();

  constructor(options: {
    staging: NarStaging | null;
    nars: Pick<NarIntake, "findHeld" | "takeStaged">;
    clock: Clock;
    logger: Logger;
  }) {
    this.#staging = options.staging;
    this.#nars = options.nars;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** NARs of so many bytes may come so; null when none may. */
  get fromBytes(): number | null {
    return this.#staging === null ? null : DIRECT_FROM_BYTES;
  }

  /** Where to put the file; null when it has to come through this process. */
  async address(uploader: Uploader, narHash: string, fileSize: number): Promise<string | null> {
    if (this.#staging === null || fileSize > MAX_FILE_BYTES) return null;
    return await this.#staging.address(nameOf(uploader, narHash), fileSize);
  }

  /**
   * Takes what was put there, by the rules of `NarIntake.take`, and removes it from there, taken or not. Null when it is still looked at: ask again. Throws ConflictError
   * when nothing is there, and what `take` throws.
   */
  async take(uploader: Uploader, claim: NarClaim): Promise<NarObject | null> {
    const name = nameOf(uploader, claim.narHash);
    let running = this.#running.get(name);
    if (running === undefined) {
      running = this.#look(name, uploader, claim).finally(() => this.#running.delete(name));
      // Nobody may wait for it any more.
      running.catch(() => undefined);
      this.#running.set(name, running);
    }
    return await this.#withinAnswer(running);
  }

  async #look(name: string, { organization }: Uploader, claim: NarClaim): Promise<NarObject> {
    const staged = (await this.#staging?.open(name)) ?? null;
    const held = this.#nars.findHeld(organization, claim.narHash);
    if (staged === null) {
      if (held !== null) return held;
      throw new ConflictError(`NAR sha256:${claim.narHash} is not in the object store`, {
        code: "not_staged",
      });
    }
    try {
      // It was taken before, and could not be removed.
      return held ?? (await this.#nars.takeStaged(organization, claim, staged));
    } finally {
      await this.#remove(staged);
    }
  }

  /** What stays is removed by its age. */
  async #remove(staged: StagedNar): Promise<void> {
    try {
      await staged.remove();
    } catch (error) {
      this.#logger.warn({ err: error }, "an upload cannot be removed from the object store yet");
    }
  }

  async #withinAnswer(running: Promise<NarObject>): Promise<NarObject | null> {
    let timer: Disposable | undefined;
    const later = new Promise<null>((resolve) => {
      timer = this.#clock.after(ANSWER_MS, () => resolve(null));
    });
    try {
      return await Promise.race([running, later]);
    } finally {
      timer?.[Symbol.dispose]();
    }
  }
}

function nameOf({ worker, assignment }: Uploader, narHash: string): string {
  return `${worker}/${assignment}/${narHash}`;
}
