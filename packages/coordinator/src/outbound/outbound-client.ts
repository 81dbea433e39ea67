import type { Dispatcher } from "undici";
import { errnoOf } from "../error-facts.ts";
import { AddressRules } from "./address-rules.ts";
import { checkOutboundUrl, withoutSecrets } from "./check-url.ts";
import type { GuardOptions, Resolve } from "./connector.ts";
import type { Dispatch } from "./dispatch.ts";
import { OutboundError } from "./outbound-error.ts";

export interface OutboundRequest {
  readonly url: string | URL;
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For everything: name, connection, redirects, answer. */
  readonly deadlineMs?: number;
  /** A longer answer fails with `answer_too_large`. Bytes as they come; nothing is decompressed. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface OutboundAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

export interface WholeAnswer extends OutboundAnswer {
  readonly body: Buffer;
}

export interface StreamedAnswer extends OutboundAnswer {
  /** Ends with an OutboundError when it is too long, late or broken off. Has to be read to its end, or destroyed by leaving the loop. */
  readonly body: AsyncIterable<Buffer>;
}

const DEADLINE_MS = 15_000;
const CONNECT_MS = 10_000;
const MAX_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 5;
/** What may be known to another origin than the one that was asked. */
const PUBLIC_HEADERS = new Set(["accept", "user-agent"]);
/** Codes of the library's errors. */
const TIMEOUTS = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * The one way by which the coordinator asks addresses that its users gave: public addresses and listed ranges only, each redirect by the
 * same rules, everything with a deadline and a bound. An answer of any status is an answer; all else is an OutboundError.
 */
export class OutboundClient implements AsyncDisposable {
  readonly #rules: AddressRules;
  readonly #guard: GuardOptions;
  #dispatch: Promise<Dispatch> | null = null;

  /** `allowedRanges`: private ranges that an administrator listed, in CIDR notation. */
  constructor(options: { allowedRanges: readonly string[]; resolve?: Resolve }) {
    this.#rules = new AddressRules(options.allowedRanges);
    this.#guard = { rules: this.#rules, resolve: options.resolve, timeoutMs: CONNECT_MS };
  }

  /** Refuses at once what could never be asked, when somebody enters it. Throws OutboundError `address_refused`. */
  check(address: string): URL {
    return checkOutboundUrl(address, this.#rules);
  }

  /** The answer with its whole body. */
  async ask(question: OutboundRequest): Promise<WholeAnswer> {
    const answer = await this.open(question);
    const pieces: Buffer[] = [];
    for await (const piece of answer.body) pieces.push(piece);
    return { ...answer, body: Buffer.concat(pieces) };
  }

  /** The answer with its body as a stream. Redirects of GET and HEAD are followed; those of other methods are answers. */
  async open(question: OutboundRequest): Promise<StreamedAnswer> {
    const deadline = AbortSignal.timeout(question.deadlineMs ?? DEADLINE_MS);
    const signals = question.signal === undefined ? [deadline] : [deadline, question.signal];
    const signal = AbortSignal.any(signals);
    const method = question.method ?? "GET";
    const isFollowed = method === "GET" || method === "HEAD";
    let url = checkOutboundUrl(question.url, this.#rules);
    let headers = question.headers ?? {};
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#one({ ...question, method, headers }, url, { signal, deadline });
      if (!isFollowed || !REDIRECTS.has(answer.statusCode)) {
        return this.#streamed(answer, url, { ...question, deadline });
      }
      await answer.body.dump();
      if (redirects >= MAX_REDIRECTS) {
        throw new OutboundError("redirect_refused", `${shown(question.url)} redirects too often`);
      }
      const next = this.#redirect(url, answer.headers["location"]);
      if (next.origin !== url.origin) headers = publicHeaders(headers);
      url = next;
    }
  }

  #redirect(from: URL, location: string | string[] | undefined): URL {
    const text = typeof location === "string" ? location : "";
    if (text === "" || !URL.canParse(text, from.href)) {
      throw new OutboundError("redirect_refused", `${shown(from)} redirects to nowhere`);
    }
    const next = checkOutboundUrl(new URL(text, from), this.#rules);
    if (from.protocol === "https:" && next.protocol === "http:") {
      throw new OutboundError("redirect_refused", `${shown(from)} redirects away from https`);
    }
    return next;
  }

  async #one(
    question: OutboundRequest & { method: Dispatcher.HttpMethod },
    url: URL,
    { signal, deadline }: { signal: AbortSignal; deadline: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    const { method, headers = {}, body, deadlineMs = DEADLINE_MS } = question;
    try {
      this.#dispatch ??= openDispatch(this.#guard);
      const dispatch = await this.#dispatch;
      return await dispatch.request(url, {
        method,
        headers: { "user-agent": "gradient-coordinator", ...headers },
        body: body ?? null,
        timeoutMs: deadlineMs,
        signal,
      });
    } catch (error) {
      question.signal?.throwIfAborted();
      throw outboundError(url, error, deadline);
    }
  }

  #streamed(
    answer: Dispatcher.ResponseData,
    url: URL,
    options: { maxBytes?: number; signal?: AbortSignal; deadline: AbortSignal },
  ): StreamedAnswer {
    const { statusCode: status, headers, body } = answer;
    return { status, headers, url, body: bounded(body, url, options) };
  }

  /** Ends what is still being asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    const dispatch = await this.#dispatch;
    await dispatch?.[Symbol.asyncDispose]();
  }
}

async function openDispatch(guard: GuardOptions): Promise<Dispatch> {
  const { Dispatch } = await import("./dispatch.ts");
  return new Dispatch(guard);
}

async function* bounded(
  body: AsyncIterable<Buffer>,
  url: URL,
  options: { maxBytes?: number; signal?: AbortSignal; deadline: AbortSignal },
): AsyncGenerator<Buffer, void, undefined> {
  const { maxBytes = MAX_BYTES, signal, deadline } = options;
  let left = maxBytes;
  try {
    for await (const piece of body) {
      left -= piece.length;
      if (left < 0) {
        const text = `${shown(url)} answered with more than ${maxBytes} bytes`;
        throw new OutboundError("answer_too_large", text);
      }
      yield piece;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw outboundError(url, error, deadline);
  }
}

function outboundError(url: URL, error: unknown, deadline: AbortSignal): OutboundError {
  if (error instanceof OutboundError) return error;
  if (deadline.aborted || TIMEOUTS.has(errnoOf(error) ?? ""))
    return new OutboundError("timeout", `${shown(url)} did not answer in time`, error);
  const text = error instanceof Error ? reasonOf(error) : String(error);
  return new OutboundError("unreachable", `${shown(url)} cannot be reached: ${text}`, error);
}

/** A connection that was tried at several addresses fails with an error that says nothing and holds those that do. */
function reasonOf(error: Error): string {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return first instanceof Error ? first.message : error.message;
}

function publicHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => PUBLIC_HEADERS.has(name.toLowerCase())),
  );
}

function shown(url: string | URL): string {
  return withoutSecrets(String(url));
}
