import { uploadTicketSchema, type PathFacts } from "@gradient/protocol";
import { reasonOf } from "../error-facts.ts";
import { WorkerError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { STORE_REFUSES, type TransferClient, type TransferScope } from "./client.ts";
import { narRoute, readReceipt } from "./nar-request.ts";
import { PackedFile } from "./packed-file.ts";
import { TransferError } from "./transfer-error.ts";

/** There is another way: better soon than in the end. */
const ATTEMPTS = 4;
/** A store that cannot be reached is left alone for so long. */
const REST_MS = 3600_000;

/** Large NARs straight to the coordinator's object store. What they are, the coordinator finds out by itself. */
export class DirectUploads {
  readonly #client: TransferClient;
  readonly #directory: string;
  readonly #now: () => number;
  readonly #logger: Logger;
  #restsUntil = 0;

  constructor(options: {
    client: TransferClient;
    /** For packed NARs, until they are there. */
    directory: string;
    now: () => number;
    logger: Logger;
  }) {
    this.#client = options.client;
    this.#directory = options.directory;
    this.#now = options.now;
    this.#logger = options.logger;
  }

  /**
   * `pack` makes the compressed NAR. False when it has to go through the coordinator. Throws a WorkerError when the NAR cannot be packed, or the coordinator refuses it.
   */
  async upload(
    facts: PathFacts,
    pack: () => AsyncIterable<Uint8Array>,
    scope: TransferScope,
  ): Promise<boolean> {
    if (this.#now() < this.#restsUntil) return false;
    try {
      await using file = await PackedFile.write(this.#directory, pack());
      return await this.#send(facts, file, scope);
    } catch (error) {
      scope.signal.throwIfAborted();
      if (isFinal(error)) throw error;
      this.#rest(error);
      return false;
    }
  }

  async #send(facts: PathFacts, file: PackedFile, scope: TransferScope): Promise<boolean> {
    const what = `upload of ${facts.path}`;
    const source = { what, size: file.size, read: () => file.read() };
    let isStored = false;
    return this.#client.retrying(
      what,
      scope,
      async () => {
        if (!isStored) {
          const url = await this.#address(facts, file.size, scope);
          if (url === null) return false;
          await this.#client.putFile(url, source, scope);
          isStored = true;
        }
        try {
          let isTaken = false;
          while (!isTaken) isTaken = await this.#isTaken(facts, scope);
          return true;
        } catch (error) {
          // 409: it is not there, or not any more.
          if (error instanceof TransferError && error.status === 409) isStored = false;
          throw error;
        }
      },
      ATTEMPTS,
    );
  }

  #address(facts: PathFacts, fileSize: number, scope: TransferScope): Promise<string | null> {
    const path = `${narRoute(facts)}/ticket?fileSize=${fileSize}`;
    const ask = { method: "POST", path, what: `upload ticket for ${facts.path}` } as const;
    return this.#client.once(ask, scope, async ({ body }) => {
      return uploadTicketSchema.parse(await body.json()).url;
    });
  }

  /** False when it is still looked at. */
  #isTaken(facts: PathFacts, scope: TransferScope): Promise<boolean> {
    const path = `${narRoute(facts)}/staged?size=${facts.narSize}`;
    const ask = { method: "POST", path, what: `upload of ${facts.path}` } as const;
    return this.#client.once(ask, scope, async (response) => {
      if (response.statusCode === 202) {
        await response.body.dump();
        return false;
      }
      await readReceipt(response);
      return true;
    });
  }

  #rest(error: unknown): void {
    if (this.#now() < this.#restsUntil) return;
    this.#restsUntil = this.#now() + REST_MS;
    this.#logger.warn(
      { reason: reasonOf(error), forMs: REST_MS },
      "large NARs go through the coordinator for now: the way to its object store fails",
    );
  }
}

/** Another way would not help. */
function isFinal(error: unknown): boolean {
  if (error instanceof TransferError) return !error.isTransient && error.code !== STORE_REFUSES;
  return error instanceof WorkerError;
}
