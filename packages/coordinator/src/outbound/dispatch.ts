import { Agent, request, type Dispatcher } from "undici";
import { guardedConnector, type GuardOptions } from "./connector.ts";

/** What one request needs. Milliseconds. */
export interface DispatchOptions {
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Connections to allowed addresses. A module of its own because the library is large, and many farms never ask anybody. */
export class Dispatch implements AsyncDisposable {
  readonly #agent: Agent;

  constructor(options: GuardOptions) {
    this.#agent = new Agent({
      connections: 8,
      connect: guardedConnector(options),
      keepAliveTimeout: 10_000,
    });
  }

  request(url: URL, options: DispatchOptions): Promise<Dispatcher.ResponseData> {
    const { timeoutMs, ...rest } = options;
    return request(url, {
      ...rest,
      dispatcher: this.#agent,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  }

  /** Ends what is still being asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}
