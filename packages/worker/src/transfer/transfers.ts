import { setImmediate as nextTurn } from "node:timers/promises";
import {
  acceptedDerivationsSchema,
  acceptedNarsSchema,
  closureSchema,
  encodeNarBundle,
  heldNarsSchema,
  STAGED_BYTES_HEADER,
  unknownDerivationsSchema,
  type Closure,
  type PathFacts,
} from "@gradient/protocol";
import pLimit from "p-limit";
import { inTurn } from "../abort.ts";
import type { NarPool } from "../compress/nar-pool.ts";
import { compressSmallNar, SMALL_NAR_BYTES } from "../compress/small-nar.ts";
import { decompressed } from "../compress/zstd.ts";
import type { NixStore } from "../ports.ts";
import type {
  TransferBody as Body,
  TransferClient,
  TransferRequest,
  TransferScope,
} from "./client.ts";
import type { DirectUploads } from "./direct-uploads.ts";
import { Download } from "./download.ts";
import { narBase, narRoute, readReceipt } from "./nar-request.ts";
import { together } from "./together.ts";
import { TransferError } from "./transfer-error.ts";

/** A NAR larger than this takes a while: it is asked for first, and does not stand in the way of others. */
const LARGE_NAR_BYTES = 1024 * 1024;
/** So many small NARs are sent without a question. */
const FEW = 3;
/** NARs of so many bytes together are made in one go and sent in one request: 3 ms of compression, and less than a round trip each. */
const BUNDLE_BYTES = 256 * 1024;
/** Limits of one request (transfer messages of the protocol). */
const MAX_LISTED = 10_000;
const MAX_PUBLISHED = 1000;
/** Transfers at a time, of small NARs and of large downloads. */
const SMALL_LANE = 16;
const DOWNLOAD_LANE = 4;

/** What the coordinator says to a question for NARs. */
interface HeldAnswer {
  readonly held: ReadonlySet<string>;
  /** Those that are missing and as large may go to its object store. */
  readonly directFromBytes: number;
}

const NOTHING_HELD: HeldAnswer = { held: new Set(), directFromBytes: Infinity };

/** Where transfers read from and write to. */
type TransferStore = Pick<NixStore, "physicalPath" | "addPath">;

/** Bulk data between this worker's store and the coordinator. */
export class Transfers {
  readonly #client: TransferClient;
  readonly #store: TransferStore;
  readonly #pool: NarPool;
  readonly #direct: DirectUploads | null;
  readonly #largeUploads: ReturnType<typeof pLimit>;
  readonly #largeDownloads = pLimit(DOWNLOAD_LANE);
  readonly #small = pLimit(SMALL_LANE);
  /** Bundles are made one after the other, and sent at the same time. */
  readonly #packing = pLimit(1);

  constructor(options: {
    client: TransferClient;
    store: TransferStore;
    pool: NarPool;
    /** Null: everything goes through the coordinator. */
    direct: DirectUploads | null;
  }) {
    this.#client = options.client;
    this.#store = options.store;
    this.#pool = options.pool;
    this.#direct = options.direct;
    // One thread is always left for NARs that are done in a moment.
    this.#largeUploads = pLimit(Math.max(1, options.pool.size - 1));
  }

  /** Uploads the bytes of valid paths, those that the coordinator lacks. Nothing becomes visible by this alone. When one fails, the others are ended. */
  async uploadNars(paths: readonly PathFacts[], scope: TransferScope): Promise<void> {
    const { held, directFromBytes } = isWorthAsking(paths)
      ? await this.#held(paths, scope)
      : NOTHING_HELD;
    const missing = paths.filter(({ narHash }) => !held.has(narHash));
    await together(scope, bundles(missing), async (bundle, each) => {
      const [first] = bundle;
      const lane = isLarge(first) ? this.#largeUploads : this.#small;
      await inTurn(lane, each.signal, () => {
        if (first.narSize <= SMALL_NAR_BYTES) return this.#uploadBundle(bundle, each);
        if (!isLarge(first)) return this.#upload(first, each);
        return first.narSize < directFromBytes
          ? this.#uploadLarge(first, each)
          : this.#uploadDirectly(first, each);
      });
    });
  }

  /** Downloads a path's NAR and imports it. Its references have to be valid. */
  downloadNar(facts: PathFacts, scope: TransferScope): Promise<void> {
    const lane = isLarge(facts) ? this.#largeDownloads : this.#small;
    return inTurn(lane, scope.signal, async () => {
      const ask = { path: narRoute(facts), what: `download of ${facts.path}` };
      const source = new Download(this.#client.bytes(ask, scope));
      try {
        await source.begin();
        await this.#store.addPath(facts, decompressed(source.bytes()));
      } catch (error) {
        throw source.failure === null ? error : source.failure.error;
      } finally {
        await source.end();
      }
    });
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

  async #held(paths: readonly PathFacts[], scope: TransferScope): Promise<HeldAnswer> {
    const held = new Set<string>();
    let directFromBytes = Infinity;
    for (const slice of slices(paths, MAX_LISTED)) {
      const ask = {
        path: "/nars/held",
        what: `question for ${slice[0]?.path}`,
        body: { narHashes: slice.map(({ narHash }) => narHash) },
      };
      const answer = await this.#client.json(ask, heldNarsSchema, scope).catch((error: unknown) => {
        // A coordinator of an earlier release does not know the question.
        if (error instanceof TransferError && error.status === 404) {
          return { held: [], directFromBytes };
        }
        throw error;
      });
      directFromBytes = answer.directFromBytes ?? Infinity;
      for (const narHash of answer.held) held.add(narHash);
    }
    return { held, directFromBytes };
  }

  async #uploadBundle(bundle: Bundle, scope: TransferScope): Promise<void> {
    const bytes = await this.#packing(async () => {
      await nextTurn();
      return encodeNarBundle(
        bundle.map((facts) => ({
          narHash: narBase(facts),
          narSize: facts.narSize,
          bytes: compressSmallNar(this.#sourceOf(facts)),
        })),
      );
    });
    const ask = {
      method: "PUT",
      path: "/nars",
      what: `upload of ${bundle[0].path}${bundle.length > 1 ? ` and ${bundle.length - 1} more` : ""}`,
      contentType: "application/octet-stream",
      body: () => bytes,
    } as const;
    try {
      await this.#client.exchange(ask, scope, async (response) => {
        acceptedNarsSchema.parse(await response.body.json());
      });
    } catch (error) {
      // A coordinator of an earlier release does not know bundles.
      if (!(error instanceof TransferError) || error.status !== 404) throw error;
      for (const facts of bundle) await this.#upload(facts, scope);
    }
  }

  #upload(facts: PathFacts, scope: TransferScope): Promise<void> {
    const body = (): Body => this.#pool.compress(this.#sourceOf(facts));
    return this.#client.exchange(uploadOf(facts, { body, offset: 0 }), scope, readReceipt);
  }

  /** To the coordinator's object store, or through the coordinator where that does not work. */
  async #uploadDirectly(facts: PathFacts, scope: TransferScope): Promise<void> {
    const pack = (): AsyncIterable<Uint8Array> => this.#pool.compress(this.#sourceOf(facts));
    if (await this.#direct?.upload(facts, pack, scope)) return;
    await this.#uploadLarge(facts, scope);
  }

  /** Goes on where it broke off: the same tree gives the same compressed bytes. */
  #uploadLarge(facts: PathFacts, scope: TransferScope): Promise<void> {
    const source = this.#sourceOf(facts);
    let kept = 0;
    let isFirst = true;
    return this.#client.retrying(`upload of ${facts.path}`, scope, async ({ gotAhead }) => {
      const offset = isFirst ? 0 : await this.#stagedBytes(facts, scope);
      isFirst = false;
      if (offset > kept) gotAhead();
      kept = offset;
      const body = (): Body => behind(offset, this.#pool.compress(source));
      await this.#client.once(uploadOf(facts, { body, offset }), scope, readReceipt);
    });
  }

  #sourceOf({ path, narSize }: PathFacts): { path: string; narSize: number } {
    return { path: this.#store.physicalPath(path), narSize };
  }

  #stagedBytes(facts: PathFacts, scope: TransferScope): Promise<number> {
    const ask = {
      method: "HEAD",
      path: narRoute(facts),
      what: `question for ${facts.path}`,
    } as const;
    return this.#client.once(ask, scope, async (response) => {
      await response.body.dump();
      const staged = Number(response.headers[STAGED_BYTES_HEADER] ?? 0);
      return Number.isSafeInteger(staged) && staged > 0 ? staged : 0;
    });
  }
}

function uploadOf(
  facts: PathFacts,
  { body, offset }: { body: () => Body; offset: number },
): TransferRequest {
  const query = `size=${facts.narSize}${offset > 0 ? `&offset=${offset}` : ""}`;
  return {
    method: "PUT",
    path: `${narRoute(facts)}?${query}`,
    what: `upload of ${facts.path}`,
    contentType: "application/zstd",
    body,
  };
}

/** What comes after the first `offset` bytes. */
async function* behind(
  offset: number,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let toSkip = offset;
  for await (const chunk of source) {
    const skipped = Math.min(toSkip, chunk.length);
    toSkip -= skipped;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}

/** For a few small ones the question costs more than the answer saves. */
function isWorthAsking(paths: readonly PathFacts[]): boolean {
  return paths.length > FEW || paths.some(isLarge);
}

function isLarge({ narSize }: PathFacts): boolean {
  return narSize > LARGE_NAR_BYTES;
}

/** Paths that are uploaded in one request; at least one. */
type Bundle = readonly [PathFacts, ...PathFacts[]];

/** Small ones together, each of the others by itself. */
function bundles(paths: readonly PathFacts[]): Bundle[] {
  const all: Bundle[] = [];
  let open: [PathFacts, ...PathFacts[]] | null = null;
  let openBytes = 0;
  for (const facts of paths) {
    if (facts.narSize > SMALL_NAR_BYTES) {
      all.push([facts]);
    } else if (open !== null && openBytes + facts.narSize <= BUNDLE_BYTES) {
      open.push(facts);
      openBytes += facts.narSize;
    } else {
      open = [facts];
      openBytes = facts.narSize;
      all.push(open);
    }
  }
  return all;
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
