import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { transferErrorSchema, type AssignmentId } from "@gradient/protocol";
import { Agent, request, type Dispatcher } from "undici";
import type { z } from "zod";
import { reasonOf } from "../error-facts.ts";
import type { Logger } from "../logger.ts";
import type { TransferAccess } from "./access.ts";
import { TransferError } from "./transfer-error.ts";

/** Bytes of NARs and derivations that went over the network, compressed. What is sent again counts again. */
export interface Traffic {
  receivedBytes: number;
  sentBytes: number;
}

/** For whom a transfer is made, and until when. */
export interface TransferScope {
  readonly assignment: AssignmentId;
  readonly signal: AbortSignal;
  /** Counts what is transferred. */
  readonly traffic: Traffic;
}

export type TransferBody = Uint8Array | string | AsyncIterable<Uint8Array>;

export interface TransferRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST";
  /** Below the worker link's address, such as `/closure`. */
  readonly path: string;
  /** What messages call it: `upload of /nix/store/...`. */
  readonly what: string;
  readonly contentType?: string;
  readonly range?: string;
  /** Makes a new body for every try. A stream that was begun is always ended, by its end or by `return`. */
  readonly body?: () => TransferBody;
}

export interface TransferTimings {
  /** Tries on an accepted session. Waiting for a session counts for none. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export const TRANSFER_TIMINGS: TransferTimings = {
  attempts: 10,
  firstDelayMs: 250,
  maxDelayMs: 15_000,
};

const MAX_ERROR_TEXT = 500;

/** Code of the error when an address outside of the coordinator answers with anything but success. */
export const STORE_REFUSES = "store-refuses";

/**
 * HTTP beside the worker's socket. Network errors and answers of 5xx are tried again with growing delays; other refusals are
 * final and carry the coordinator's own words. While there is no session it waits: a coordinator that restarts fails nothing.
 */
export class TransferClient implements AsyncDisposable {
  readonly #base: string;
  readonly #access: TransferAccess;
  readonly #timings: TransferTimings;
  readonly #logger: Logger;
  readonly #agent = new Agent({
    connections: 16,
    connect: { timeout: 10_000 },
    headersTimeout: 120_000,
    bodyTimeout: 60_000,
    keepAliveTimeout: 30_000,
  });

  constructor(options: {
    /** Address of the worker link. */
    server: URL;
    access: TransferAccess;
    timings: TransferTimings;
    logger: Logger;
  }) {
    const { protocol, host, pathname } = options.server;
    const scheme = protocol === "wss:" ? "https:" : "http:";
    this.#base = `${scheme}//${host}${pathname.replace(/\/+$/, "")}`;
    this.#access = options.access;
    this.#timings = options.timings;
    this.#logger = options.logger;
  }

  /** Sends JSON and reads JSON. */
  async json<T>(
    ask: { path: string; what: string; body: unknown },
    answer: z.ZodType<T>,
    scope: TransferScope,
  ): Promise<T> {
    const text = JSON.stringify(ask.body);
    return this.exchange(
      {
        method: "POST",
        path: ask.path,
        what: ask.what,
        contentType: "application/json",
        body: () => text,
      },
      scope,
      async (response) => {
        const parsed = answer.safeParse(await response.body.json());
        if (parsed.success) return parsed.data;
        throw new TransferError(
          "bad-answer",
          `${ask.what}: the coordinator's answer has not the expected shape`,
          { status: response.statusCode, isTransient: false, cause: parsed.error },
        );
      },
    );
  }

  /** One request with its retries. `read` gets an answer of 2xx, and of 404 to a HEAD; it takes the body whole or fails. */
  exchange<T>(
    ask: TransferRequest,
    scope: TransferScope,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> {
    return this.retrying(ask.what, scope, () => this.once(ask, scope, read));
  }

  /** Calls `run` until it ends well or fails for good. It is told with 1 when it is called first, and whenever it said that it got ahead. */
  async retrying<T>(
    what: string,
    scope: TransferScope,
    run: (progress: { gotAhead: () => void; attempt: number }) => Promise<T>,
    attempts = this.#timings.attempts,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const gotAhead = (): void => {
          attempt = 1;
        };
        return await run({ gotAhead, attempt });
      } catch (error) {
        await this.#pause(what, { error, attempt, attempts }, scope);
      }
    }
  }

  /**
   * The body of a GET as it comes. Where it breaks off it goes on by another request; only when several in a row bring nothing, it fails.
   */
  async *bytes(
    ask: { path: string; what: string },
    scope: TransferScope,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let received = 0;
    const { attempts } = this.#timings;
    for (let attempt = 1; ; attempt += 1) {
      try {
        for await (const chunk of this.#bytesFrom(received, ask, scope)) {
          received += chunk.length;
          attempt = 1;
          yield chunk;
        }
        return;
      } catch (error) {
        await this.#pause(ask.what, { error, attempt, attempts }, scope);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** Waits for the next try. Throws the error when there is none. */
  async #pause(
    what: string,
    { error, attempt, attempts }: { error: unknown; attempt: number; attempts: number },
    scope: TransferScope,
  ): Promise<void> {
    scope.signal.throwIfAborted();
    if (!(error instanceof TransferError) || !error.isTransient) throw error;
    const { firstDelayMs, maxDelayMs } = this.#timings;
    if (attempt >= attempts) throw error;
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** attempt) * Math.random();
    this.#logger.warn(
      { what, attempt, retryInMs: Math.round(delayMs), reason: error.message },
      "transfer failed and is tried again",
    );
    await sleep(delayMs, undefined, { signal: scope.signal });
  }

  async *#bytesFrom(
    start: number,
    { path, what }: { path: string; what: string },
    scope: TransferScope,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const range = start === 0 ? {} : { range: `bytes=${start}-` };
    const response = await this.#request({ method: "GET", path, what, ...range }, scope);
    const { statusCode, body } = response;
    if (statusCode === 416 && response.headers["content-range"] === `bytes */${start}`) {
      // The connection broke behind the last byte.
      await body.dump();
      return;
    }
    if (statusCode !== 200 && statusCode !== 206) throw await refused(what, response);
    let toSkip = statusCode === 206 ? 0 : start;
    const source = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await source.next().catch((error: unknown) => {
          throw networkError(what, error);
        });
        if (next.done === true) return;
        const chunk: Uint8Array = next.value;
        scope.traffic.receivedBytes += chunk.length;
        const fresh = chunk.subarray(Math.min(toSkip, chunk.length));
        toSkip -= chunk.length - fresh.length;
        if (fresh.length > 0) yield fresh;
      }
    } finally {
      body.destroy();
    }
  }

  /** One request, once. `read` as for `exchange`. */
  async once<T>(
    ask: TransferRequest,
    scope: TransferScope,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> {
    const source = ask.body ? new RequestBody(ask.body(), scope.traffic) : null;
    try {
      return await this.#read(ask, await this.#request(ask, scope, source), read);
    } finally {
      source?.end();
    }
  }

  /**
   * Puts a new file to an address that the coordinator has given, once. The address is as good as a password: no error has it. Throws a TransferError that says how the
   * store answers.
   */
  async putFile(
    url: string,
    file: { what: string; size: number; read: () => AsyncIterable<Uint8Array> },
    scope: TransferScope,
  ): Promise<void> {
    const { what, size } = file;
    const source = new RequestBody(file.read(), scope.traffic);
    try {
      const { statusCode: status, body } = await request(url, {
        method: "PUT",
        headers: { "content-length": String(size), "if-none-match": "*" },
        body: source.body,
        signal: scope.signal,
        dispatcher: this.#agent,
      }).catch((error: unknown) => {
        throw source.failure ? source.failure.error : networkError(what, error);
      });
      await body.dump();
      // 412: an earlier try got through, and its answer did not.
      if ((status >= 200 && status < 300) || status === 412) return;
      throw new TransferError(STORE_REFUSES, `${what}: the object store answers ${status}`, {
        status,
        isTransient: status >= 500 || status === 408 || status === 429,
      });
    } finally {
      source.end();
    }
  }

  async #request(
    ask: TransferRequest,
    scope: TransferScope,
    source: RequestBody | null = null,
  ): Promise<Dispatcher.ResponseData> {
    const token = await this.#access.token(scope.signal);
    const headers: Record<string, string> = {
      authorization: `Bearer ${token}`,
      "x-gradient-assignment": scope.assignment,
    };
    if (ask.contentType !== undefined) headers["content-type"] = ask.contentType;
    if (ask.range !== undefined) headers["range"] = ask.range;
    return request(`${this.#base}${ask.path}`, {
      method: ask.method,
      headers,
      body: source?.body ?? null,
      signal: scope.signal,
      dispatcher: this.#agent,
    }).catch((error: unknown) => {
      // What the source of the body threw is not the network's fault.
      throw source?.failure ? source.failure.error : networkError(ask.what, error);
    });
  }

  async #read<T>(
    ask: TransferRequest,
    response: Dispatcher.ResponseData,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> {
    const { statusCode, body } = response;
    const isAnswer =
      (statusCode >= 200 && statusCode < 300) || (ask.method === "HEAD" && statusCode === 404);
    if (!isAnswer) throw await refused(ask.what, response);
    const failure: { of?: unknown } = {};
    body.once("error", (error) => {
      failure.of = error;
    });
    try {
      return await read(response);
    } catch (error) {
      body.destroy();
      throw failure.of === undefined ? error : networkError(ask.what, failure.of);
    }
  }
}

/** A request's body that remembers whether its own source failed, and that can be ended when nobody reads it any more. */
class RequestBody {
  readonly body: Uint8Array | string | Readable;
  failure: { error: unknown } | null = null;

  constructor(body: TransferBody, traffic: Traffic) {
    if (typeof body === "string" || body instanceof Uint8Array) {
      this.body = body;
      if (typeof body !== "string") traffic.sentBytes += body.length;
      return;
    }
    // Not the stream's own error: a broken connection destroys the stream with the connection's.
    this.body = Readable.from(this.#watch(body, traffic));
  }

  end(): void {
    if (this.body instanceof Readable) this.body.destroy();
  }

  async *#watch(
    source: AsyncIterable<Uint8Array>,
    traffic: Traffic,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of source) {
        yield chunk;
        traffic.sentBytes += chunk.length;
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

function networkError(what: string, cause: unknown): TransferError {
  return new TransferError("network", `${what}: ${reasonOf(cause)}`, {
    status: null,
    isTransient: true,
    cause,
  });
}

/**
 * 401 is worth another try: the token of a session that just ended is no longer known. So is 409: an upload went on behind other bytes than
 * the ones that are kept.
 */
const TRANSIENT_STATUS = new Set([401, 408, 409, 429]);

async function refused(
  what: string,
  { statusCode: status, body }: Dispatcher.ResponseData,
): Promise<TransferError> {
  const text = await body.text().catch(() => "");
  const parsed = transferErrorSchema.safeParse(parseJson(text));
  const said = parsed.success ? parsed.data.error : text.trim().slice(0, MAX_ERROR_TEXT);
  const code = parsed.success ? parsed.data.code : `http-${status}`;
  return new TransferError(code, `${what}: ${said === "" ? `HTTP status ${status}` : said}`, {
    status,
    isTransient: status >= 500 || TRANSIENT_STATUS.has(status),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
