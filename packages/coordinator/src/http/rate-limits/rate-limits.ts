import type { IncomingMessage } from "node:http";
import proxyAddr from "@fastify/proxy-addr";
import type { Config } from "../../config/settings.ts";
import { RateLimitedError } from "../../errors.ts";
import { tierOf, tiers, type Tier } from "./tiers.ts";
import { TokenBuckets } from "./token-buckets.ts";

type Asking = Pick<IncomingMessage, "headers" | "socket">;

/** Holds every client to the rates of the tiers; a client is an address, or a network of IPv6, of which one customer has 2^64 addresses. */
export class RateLimits {
  readonly #buckets: ReadonlyMap<Tier, TokenBuckets>;
  readonly #now: () => number;
  readonly #isOn: boolean;
  readonly #isTrusted: ReturnType<typeof proxyAddr.compile>;

  constructor(config: Pick<Config, "rateLimits" | "trustedProxies">, now: () => number) {
    this.#isOn = config.rateLimits;
    this.#isTrusted = proxyAddr.compile([...config.trustedProxies]);
    this.#now = now;
    const names = Object.keys(tiers) as Tier[];
    this.#buckets = new Map(names.map((name) => [name, new TokenBuckets(tiers[name])]));
  }

  /** Counts one request; the milliseconds that the client has to wait, or 0 when it may come in. */
  take(tier: Tier, request: Asking): number {
    if (!this.#isOn) return 0;
    return this.#buckets.get(tier)?.take(clientOf(this.#addressOf(request)), this.#now()) ?? 0;
  }

  /** Counts a request by its path. Throws RateLimitedError. */
  admit(request: IncomingMessage): void {
    const tier = tierOf(request.url?.split("?", 1)[0] ?? "");
    const waitMs = tier === null ? 0 : this.take(tier, request);
    if (waitMs > 0) throw new RateLimitedError(waitMs);
  }

  /** The same address as Fastify's `request.ip`, also for what is answered before Fastify. */
  #addressOf(request: Asking): string {
    return request.headers["x-forwarded-for"] === undefined
      ? (request.socket.remoteAddress ?? "")
      : // It looks at nothing else of a request.
        proxyAddr(request as IncomingMessage, this.#isTrusted);
  }
}

/** An IPv4 address as it is, of an IPv6 address the first 64 bits. */
function clientOf(address: string): string {
  if (!address.includes(":")) return address;
  if (address.startsWith("::ffff:")) return address.slice("::ffff:".length);
  const [head = "", tail = ""] = address.split("::");
  const first = head.split(":").filter(Boolean);
  const last = tail.split(":").filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => "0");
  return [...first, ...zeros, ...last].slice(0, 4).join(":");
}
