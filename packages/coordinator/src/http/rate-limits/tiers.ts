import type { Rate } from "./token-buckets.ts";

/**
 * How often a client may come to each part of the server; Gradient's figures, with the rates of the inspection surface that its documentation
 * states. Its command-line client polls for the end of a device login every 3 s, so polling has a rate of its own.
 */
export const tiers = {
  auth: { refillMs: 6000, burst: 5 },
  cliPoll: { refillMs: 1000, burst: 30 },
  webhook: { refillMs: 1000, burst: 30 },
  default: { refillMs: 200, burst: 150 },
  cache: { refillMs: 20, burst: 3000 },
  cacheInspect: { refillMs: 1000, burst: 60 },
  cacheLog: { refillMs: 200, burst: 300 },
  metrics: { refillMs: 6000, burst: 5 },
  /** Guix Data Service asks for hundreds on one connection. */
  cuirassLookup: { refillMs: 20, burst: 3000 },
  cuirassDashboard: { refillMs: 60_000, burst: 10 },
} as const satisfies Record<string, Rate>;

export type Tier = keyof typeof tiers;

/** First match wins. Workers' bulk transfers are no clients' requests: their session's token is what limits them. */
const PLACES: readonly [pattern: RegExp, tier: Tier | null][] = [
  [/^\/api\/v1\/auth\/cli\/poll$/, "cliPoll"],
  [
    /^\/api\/v1\/auth\/(?:basic\/|oauth\/|oidc\/|check-username$|verify-email$|resend-verification$|cli\/start$)/,
    "auth",
  ],
  [/^\/account\/sign-in$/, "auth"],
  // The form that pages log in with.
  [/^\/account\/sign-in$/, "auth"],
  [/^\/api\/v1\/hooks\//, "webhook"],
  [/^\/cache\/[^/]+\/(?:ls|serve)\//, "cacheInspect"],
  [/^\/cache\/[^/]+\/log\//, "cacheLog"],
  [/^\/cache\//, "cache"],
  [/^\/metrics$/, "metrics"],
  [/^\/(?:build|output)\/[^/]+$/, "cuirassLookup"],
  [/^\/(?:build\/[^/]+\/log\/raw|log\/[^/]+|eval\/[^/]+\/log\/raw)$/, "cacheLog"],
  [/^\/jobset\/[^/]+\/hook\/evaluate$/, "webhook"],
  [/^\/api\/dashboard\/register$/, "cuirassDashboard"],
  [/^\/proto\/./, null],
];

/** The tier of a path without its query; null where nothing is limited. */
export function tierOf(path: string): Tier | null {
  const place = PLACES.find(([pattern]) => pattern.test(path));
  return place === undefined ? "default" : place[1];
}
