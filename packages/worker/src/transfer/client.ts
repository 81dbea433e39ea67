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
  readonly traffic?: Traffic;
}

type Body = Uint8Array | string | AsyncIterable<Uint8Array>;

export interface TransferRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST";
  /** Below the worker link's address, such as `/closure`. */
  readonly path: string;
  /** What messages call it: `upload of /nix/store/...`. */
  readonly what: string;
  readonly contentType?: string;
  /** Makes a new body for every try. A stream that was begun is always ended, by its end or by `return`. */
  readonly body?: () => Body;
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
  async exchange<T>(
    ask: TransferRequest,
    scope: TransferScope,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(ask, scope, read);
      } catch (error) {
        scope.signal.throwIfAborted();
        if (!(error instanceof TransferError) || !error.isTransient) throw error;
        if (attempt >= this.#timings.attempts) throw error;
        const { firstDelayMs, maxDelayMs } = this.#timings;
        const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** attempt) * Math.random();
        this.#logger.warn(
          { what: ask.what, attempt, retryInMs: Math.round(delayMs), reason: error.message },
          "transfer failed and is tried again",
        );
        await sleep(delayMs, undefined, { signal: scope.signal });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  async #attempt<T>(
    ask: TransferRequest,
    scope: TransferScope,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> {
    const token = await this.#access.token(scope.signal);
    const headers: Record<string, string> = {
      authorization: `Bearer ${token}`,
      "x-gradient-assignment": scope.assignment,
    };
    if (ask.contentType !== undefined) headers["content-type"] = ask.contentType;
    const source = ask.body ? new RequestBody(ask.body(), scope.traffic) : null;
    try {
      const response = await request(`${this.#base}${ask.path}`, {
        method: ask.method,
        headers,
        body: source?.body ?? null,
        signal: scope.signal,
        dispatcher: this.#agent,
      }).catch((error: unknown) => {
        // What the source of the body threw is not the network's fault.
        throw source?.failure ? source.failure.error : networkError(ask.what, error);
      });
      return await this.#read(ask, response, read);
    } finally {
      source?.end();
    }
  }

  async #read<T>(
    ask: TransferRequest,
    response: Dispatcher.ResponseData,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> {
    const { statusCode, body } = response;
    const isAnswer =
      (statusCode >= 200 && statusCode < 300) || (ask.method === "HEAD" && statusCode === 404);
    if (!isAnswer) {
      const text = await body.text().catch(() => "");
      throw refusal(ask.what, statusCode, text);
    }
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

  constructor(body: Body, traffic: Traffic = { receivedBytes: 0, sentBytes: 0 }) {
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

/** 401 is worth another try: the token of a session that just ended is no longer known. */
function isTransientStatus(status: number): boolean {
  return status >= 500 || status === 401 || status === 408 || status === 429;
}

function refusal(what: string, status: number, text: string): TransferError {
  const parsed = transferErrorSchema.safeParse(parseJson(text));
  const said = parsed.success ? parsed.data.error : text.trim().slice(0, MAX_ERROR_TEXT);
  const code = parsed.success ? parsed.data.code : `http-${status}`;
  return new TransferError(code, `${what}: ${said === "" ? `HTTP status ${status}` : said}`, {
    status,
    isTransient: isTransientStatus(status),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
