import { storePathBase, storePathHash, type StorePath } from "@gradient/protocol";
import type { CacheSurfaceView } from "../db/cache-surface-view.ts";
import { ConflictError, UnprocessableError } from "../errors.ts";
import type { CacheSigner } from "../ports.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import type { ContentCache } from "./cache-content.ts";
import type { CacheDocuments } from "./cache-documents.ts";
import { parseRealisation, withSignatures, type RealisationKey } from "./realisation.ts";

const MAX_BYTES = 256 * 1024;

/** Which paths the outputs of content-addressed derivations have become. Only of paths that a cache or its upstreams show. */
export class Realisations {
  readonly #documents: CacheDocuments;
  readonly #surface: Pick<CacheSurfaceView, "findPath">;
  readonly #upstreams: Upstreams;
  readonly #signer: CacheSigner;

  constructor(options: {
    documents: CacheDocuments;
    surface: Pick<CacheSurfaceView, "findPath">;
    upstreams: Upstreams;
    signer: CacheSigner;
  }) {
    this.#documents = options.documents;
    this.#surface = options.surface;
    this.#upstreams = options.upstreams;
    this.#signer = options.signer;
  }

  /** The document, signed by the cache as well: its own, or that of the first upstream that has one. Null when there is none. */
  async find(cacheId: string, key: RealisationKey): Promise<string | null> {
    const text = (await this.#own(cacheId, key)) ?? (await this.#ofUpstreams(cacheId, key));
    if (text === null) return null;
    const { signatures } = await this.#signer.sign(
      cacheId,
      parseRealisation(text, key).fingerprint,
    );
    return withSignatures(text, key, signatures);
  }

  /** Throws BadRequestError, UnprocessableError for a path that the cache does not show, ConflictError when it tells of another one already. */
  async put(cache: ContentCache, key: RealisationKey, text: string): Promise<void> {
    const { outPath } = parseRealisation(text, key);
    if (!this.#isShown(cache.id, outPath)) {
      throw new UnprocessableError(
        `cache "${cache.name}" does not have ${outPath}, which the realisation names: upload it first`,
        { code: "missing_reference" },
      );
    }
    const known = await this.#own(cache.id, key);
    if (known !== null && parseRealisation(known, key).outPath !== outPath) {
      throw new ConflictError(
        `cache "${cache.name}" has another path in ${key.place} already, and what it shows does not change`,
      );
    }
    await this.#documents.put(cache.id, key.place, bytesOf(text), MAX_BYTES);
  }

  async #own(cacheId: string, key: RealisationKey): Promise<string | null> {
    const text = await this.#documents.text(cacheId, key.place);
    return text !== null && this.#isShown(cacheId, parseRealisation(text, key).outPath)
      ? text
      : null;
  }

  async #ofUpstreams(cacheId: string, key: RealisationKey): Promise<string | null> {
    const text = await this.#upstreams.findRealisation(cacheId, key, (id) => this.#own(id, key));
    if (text === null) return null;
    const { outPath } = parseRealisation(text, key);
    if (this.#isShown(cacheId, outPath)) return text;
    const found = await this.#upstreams.find(cacheId, storePathHash(outPath));
    return typeof found !== "string" && found.info.path === outPath ? text : null;
  }

  #isShown(cacheId: string, path: StorePath): boolean {
    return this.#surface.findPath(cacheId, storePathHash(path))?.path === storePathBase(path);
  }
}

async function* bytesOf(text: string): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(text);
}
