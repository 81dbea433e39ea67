import { Readable } from "node:stream";
import {
  fingerprint,
  parseNarInfo,
  ProtocolError,
  PublicKey,
  storePathHash,
  type NarInfo,
} from "@gradient/protocol";
import { parseRealisation, type RealisationKey } from "../caches/realisation.ts";
import type { Clock } from "../clock.ts";
import { BadRequestError } from "../errors.ts";
import { compressionOfEncoding, decompress } from "../intake/compression.ts";
import type { Logger } from "../logger.ts";
import type { OutboundClient, StreamedAnswer } from "../outbound/outbound-client.ts";
import { OutboundError } from "../outbound/outbound-error.ts";
import { AnswerMemory } from "./answer-memory.ts";

/** What an upstream says of a path: its narinfo, that it has none, or nothing. An outage is no absence. */
export type UpstreamAnswer = NarInfo | "absent" | "unknown";

/** Another binary cache, by its address and the key that its narinfos have to be signed with. */
export interface HttpUpstream {
  readonly id: string;
  readonly url: string;
  readonly publicKey: string;
}

const NARINFO_DEADLINE_MS = 2000;
const NAR_DEADLINE_MS = 15 * 60 * 1000;
const LOG_DEADLINE_MS = 5000;
const MAX_LOG_BYTES = 16 * 1024 * 1024;
const MAX_NARINFO_BYTES = 1024 * 1024;
const MAX_REALISATION_BYTES = 256 * 1024;
const MAX_NAR_BYTES = 2 ** 40;
const MAX_ANSWERS = 20_000;

/** A narinfo does not change; but it may be taken away. */
const FOUND_FOR_MS = 10 * 60 * 1000;
const ABSENT_FOR_MS = 60 * 1000;
/** An upstream that failed is not asked for so long: whoever asks meanwhile waits for nothing. */
const DOWN_FOR_MS = 60 * 1000;

const ABSENT_STATUSES = new Set([403, 404, 410]);

/** Asks other binary caches. The same question is asked once at a time, and answers are remembered. */
export class HttpUpstreams {
  readonly #outbound: Pick<OutboundClient, "ask" | "open">;
  readonly #clock: Pick<Clock, "now">;
  readonly #logger: Logger;
  readonly #answers = new AnswerMemory<NarInfo | "absent">(MAX_ANSWERS);
  readonly #realisations = new AnswerMemory<string | null>(MAX_ANSWERS);
  readonly #asking = new Map<string, Promise<UpstreamAnswer>>();
  readonly #downUntil = new Map<string, number>();

  constructor(options: {
    outbound: Pick<OutboundClient, "ask" | "open">;
    clock: Pick<Clock, "now">;
    logger: Logger;
  }) {
    this.#outbound = options.outbound;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** What is known without asking; null when it has to be asked. */
  known(upstream: HttpUpstream, hashPart: string): UpstreamAnswer | null {
    const now = this.#clock.now();
    const answer = this.#answers.get(keyOf(upstream, hashPart), now);
    if (answer !== undefined) return answer;
    return (this.#downUntil.get(upstream.id) ?? 0) > now ? "unknown" : null;
  }

  /** What the upstream says of a path; that it cannot be reached is an answer, too, and no error. */
  async find(upstream: HttpUpstream, hashPart: string): Promise<UpstreamAnswer> {
    const known = this.known(upstream, hashPart);
    if (known !== null) return known;
    const key = keyOf(upstream, hashPart);
    const asking = this.#asking.get(key) ?? this.#ask(upstream, hashPart);
    this.#asking.set(key, asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(key);
    }
  }

  async #ask(upstream: HttpUpstream, hashPart: string): Promise<UpstreamAnswer> {
    const answer = await this.#fetch(upstream, hashPart);
    const now = this.#clock.now();
    if (answer === "unknown") {
      this.#downUntil.set(upstream.id, now + DOWN_FOR_MS);
    } else {
      const until = now + (answer === "absent" ? ABSENT_FOR_MS : FOUND_FOR_MS);
      this.#answers.put(keyOf(upstream, hashPart), answer, until);
    }
    return answer;
  }

  async #fetch(upstream: HttpUpstream, hashPart: string): Promise<UpstreamAnswer> {
    const url = `${base(upstream)}/${hashPart}.narinfo`;
    try {
      const answer = await this.#outbound.ask({
        url,
        deadlineMs: NARINFO_DEADLINE_MS,
        maxBytes: MAX_NARINFO_BYTES,
      });
      if (ABSENT_STATUSES.has(answer.status)) return "absent";
      if (answer.status === 200) return this.#verified(upstream, hashPart, answer.body.toString());
      this.#logger.warn({ url, status: answer.status }, "an upstream cache fails");
      return "unknown";
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      this.#logger.warn({ url, err: error }, "an upstream cache cannot be asked");
      return "unknown";
    }
  }

  /** Whatever is not signed by the upstream's key is not there. */
  #verified(upstream: HttpUpstream, hashPart: string, text: string): NarInfo | "absent" {
    try {
      const info = parseNarInfo(text);
      const key = PublicKey.parse(upstream.publicKey);
      const message = fingerprint(info);
      const isRight = info.signatures.some((signature) => key.verifies(message, signature));
      if (isRight && storePathHash(info.path) === hashPart) return info;
      this.#logger.warn(
        { upstream: upstream.url, path: info.path },
        "an upstream cache has a path that its key did not sign",
      );
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#logger.warn(
        { upstream: upstream.url, err: error },
        "an upstream cache has a bad narinfo",
      );
    }
    return "absent";
  }

  /** The realisation of an output that the upstream's key has signed; null when there is none, or the upstream does not answer. */
  async findRealisation(upstream: HttpUpstream, key: RealisationKey): Promise<string | null> {
    const now = this.#clock.now();
    const question = keyOf(upstream, key.place);
    const known = this.#realisations.get(question, now);
    if (known !== undefined || (this.#downUntil.get(upstream.id) ?? 0) > now) return known ?? null;
    const url = `${base(upstream)}/${key.place}`;
    const limits = { deadlineMs: NARINFO_DEADLINE_MS, maxBytes: MAX_REALISATION_BYTES };
    try {
      const { status, body } = await this.#outbound.ask({ url, ...limits });
      if (status !== 200 && !ABSENT_STATUSES.has(status)) return null;
      const text = status === 200 ? this.#signed(upstream, key, body.toString()) : null;
      this.#realisations.put(question, text, now + ABSENT_FOR_MS);
      return text;
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      this.#logger.warn({ url, err: error }, "an upstream cache cannot be asked");
      this.#downUntil.set(upstream.id, now + DOWN_FOR_MS);
      return null;
    }
  }

  #signed({ url, publicKey }: HttpUpstream, key: RealisationKey, text: string): string | null {
    try {
      const { fingerprint: message, signatures } = parseRealisation(text, key);
      const upstreamKey = PublicKey.parse(publicKey);
      if (signatures.some((signature) => upstreamKey.verifies(message, signature))) return text;
      this.#logger.warn(
        { upstream: url, realisation: key.place },
        "an upstream cache has a realisation that its key did not sign",
      );
    } catch (error) {
      if (!(error instanceof BadRequestError)) throw error;
      this.#logger.warn({ upstream: url, err: error }, "an upstream cache has a bad realisation");
    }
    return null;
  }

  /** The log of a derivation, unpacked; null when the upstream has none, or does not answer. */
  async findLog(upstream: HttpUpstream, drv: string): Promise<AsyncIterable<Uint8Array> | null> {
    if ((this.#downUntil.get(upstream.id) ?? 0) > this.#clock.now()) return null;
    const url = `${base(upstream)}/log/${drv}`;
    try {
      const limits = { deadlineMs: LOG_DEADLINE_MS, maxBytes: MAX_LOG_BYTES };
      const { status, body, headers } = await this.#outbound.ask({ url, ...limits });
      const encoding = headers["content-encoding"];
      const compression = Array.isArray(encoding) ? null : compressionOfEncoding(encoding);
      if (status !== 200 || body.length === 0 || compression === null) return null;
      return decompress(compression, Readable.from([body]));
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      this.#logger.warn({ url, err: error }, "an upstream cache cannot be asked");
      return null;
    }
  }

  /** The file with a NAR, as it comes. Throws OutboundError. */
  openNar(upstream: HttpUpstream, path: string, signal: AbortSignal): Promise<StreamedAnswer> {
    const url = new URL(path, `${base(upstream)}/`);
    return this.#outbound.open({
      url,
      deadlineMs: NAR_DEADLINE_MS,
      maxBytes: MAX_NAR_BYTES,
      signal,
    });
  }
}

function base({ url }: HttpUpstream): string {
  return url.replace(/\/+$/, "");
}

/** With the key: a changed one makes what was believed void. */
function keyOf({ id, url, publicKey }: HttpUpstream, hashPart: string): string {
  return `${id} ${url} ${publicKey} ${hashPart}`;
}
