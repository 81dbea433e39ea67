import {
  acceptedDerivationsSchema,
  closureSchema,
  narReceiptSchema,
  unknownDerivationsSchema,
  type Closure,
  type PathFacts,
} from "@gradient/protocol";
import pLimit from "p-limit";
import type { NarPool } from "../compress/nar-pool.ts";
import { compressSmallNar, SMALL_NAR_BYTES } from "../compress/small-nar.ts";
import { decompressed } from "../compress/zstd.ts";
import type { NixStore } from "../ports.ts";
import type { Traffic, TransferClient, TransferScope } from "./client.ts";

/** A NAR larger than this takes a while: it is asked for first, and does not stand in the way of others. */
const LARGE_NAR_BYTES = 1024 * 1024;
/** Limits of one request (transfer messages of the protocol). */
const MAX_LISTED = 10_000;
const MAX_PUBLISHED = 1000;
/** Transfers at a time, of small NARs and of large downloads. */
const SMALL_LANE = 16;
const DOWNLOAD_LANE = 4;

/** Bulk data between this worker's store and the coordinator. */
export class Transfers {
  readonly #client: TransferClient;
  readonly #store: NixStore;
  readonly #pool: NarPool;
  readonly #largeUploads: ReturnType<typeof pLimit>;
  readonly #largeDownloads = pLimit(DOWNLOAD_LANE);
  readonly #small = pLimit(SMALL_LANE);

  constructor(options: { client: TransferClient; store: NixStore; pool: NarPool }) {
    this.#client = options.client;
    this.#store = options.store;
    this.#pool = options.pool;
    // One thread is always left for NARs that are done in a moment.
    this.#largeUploads = pLimit(Math.max(1, options.pool.size - 1));
  }

  /** Uploads the bytes of a valid path. Nothing becomes visible by this alone. */
  uploadNar(facts: PathFacts, scope: TransferScope): Promise<void> {
    const lane = isLarge(facts) ? this.#largeUploads : this.#small;
    return lane(() => this.#uploadNar(facts, scope));
  }

  /** Downloads a path's NAR and imports it. Its references have to be valid. */
  downloadNar(facts: PathFacts, scope: TransferScope): Promise<void> {
    const lane = isLarge(facts) ? this.#largeDownloads : this.#small;
    return lane(() =>
      this.#client.exchange(
        { method: "GET", path: narRoute(facts), what: `download of ${facts.path}` },
        scope,
        (response) =>
          this.#store.addPath(facts, decompressed(counted(response.body, scope.traffic))),
      ),
    );
  }

  /** Makes uploaded paths visible in the caches of the assignment's organization. References come before what refers to them. */
  async publish(paths: readonly PathFacts[], scope: TransferScope): Promise<void> {
    for (const slice of slices(paths, MAX_PUBLISHED)) {
      const text = JSON.stringify({ paths: slice });
      const what = `publication of ${slice[0]?.path}`;
      const contentType = "application/json";
      await this.#client.exchange(
        { method: "POST", path: "/paths", what, contentType, body: () => text },
        scope,
        (response) => response.body.dump(),
      );
    }
  }

  /** What the caches hold of the closure of the paths, references first, and what they lack. */
  async closure(paths: readonly string[], scope: TransferScope): Promise<Closure> {
    const found = new Map<string, PathFacts>();
    const missing = new Set<string>();
    for (const slice of slices(paths, MAX_LISTED)) {
      const ask = { path: "/closure", what: `closure of ${slice[0]}`, body: { paths: slice } };
      const answer = await this.#client.json(ask, closureSchema, scope);
      for (const facts of answer.paths) found.set(facts.path, facts);
      for (const path of answer.missing) missing.add(path);
    }
    return { paths: [...found.values()], missing: [...missing] };
  }

  /** Those of the derivations that the coordinator has not got. */
  async unknownDerivations(drvPaths: readonly string[], scope: TransferScope): Promise<string[]> {
    const unknown: string[] = [];
    for (const slice of slices(drvPaths, MAX_LISTED)) {
      const ask = {
        path: "/derivations/unknown",
        what: "question for unknown derivations",
        body: { drvPaths: slice },
      };
      unknown.push(...(await this.#client.json(ask, unknownDerivationsSchema, scope)).unknown);
    }
    return unknown;
  }

  /** Hands over derivations as one compressed tar archive. */
  async putDerivations(bundle: Uint8Array, scope: TransferScope): Promise<void> {
    await this.#client.exchange(
      {
        method: "PUT",
        path: "/derivations",
        what: "upload of derivations",
        contentType: "application/zstd",
        body: () => bundle,
      },
      scope,
      async (response) => acceptedDerivationsSchema.parse(await response.body.json()),
    );
  }

  async #uploadNar(facts: PathFacts, scope: TransferScope): Promise<void> {
    const { narSize } = facts;
    if (isLarge(facts) && (await this.#hasNar(facts, scope))) return;
    const source = { path: this.#store.physicalPath(facts.path), narSize };
    const small = narSize <= SMALL_NAR_BYTES ? compressSmallNar(source) : null;
    await this.#client.exchange(
      {
        method: "PUT",
        path: `${narRoute(facts)}?size=${narSize}`,
        what: `upload of ${facts.path}`,
        contentType: "application/zstd",
        body: () => small ?? this.#pool.compress(source),
      },
      scope,
      async (response) => narReceiptSchema.parse(await response.body.json()),
    );
  }

  #hasNar(facts: PathFacts, scope: TransferScope): Promise<boolean> {
    const what = `question for ${facts.path}`;
    return this.#client.exchange(
      { method: "HEAD", path: narRoute(facts), what },
      scope,
      async (response) => {
        await response.body.dump();
        return response.statusCode !== 404;
      },
    );
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  traffic: Traffic | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    if (traffic !== undefined) traffic.receivedBytes += chunk.length;
    yield chunk;
  }
}

function isLarge({ narSize }: PathFacts): boolean {
  return narSize > LARGE_NAR_BYTES;
}

function narRoute(facts: PathFacts): string {
  return `/nar/${facts.narHash.slice("sha256:".length)}`;
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
