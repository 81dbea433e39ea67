import { organizationIdSchema, type OrganizationId } from "@gradient/protocol";

/** Tokens that the worker shows to peers (organizations). */
export interface Peers {
  readonly tokens: ReadonlyMap<OrganizationId, string>;
  /** Answers for every peer without a token of its own. */
  readonly wildcard: string | null;
  readonly rejected: readonly RejectedLine[];
}

/** A line that is not used. It never holds the token. */
export interface RejectedLine {
  readonly line: number;
  readonly reason: string;
}

export const NO_PEERS: Peers = { tokens: new Map(), wildcard: null, rejected: [] };

/** 48 random bytes in base 64, as `openssl rand -base64 48` prints them. */
const TOKEN_CHARACTERS = 64;

/**
 * Reads lines of `<organization id>:<token>`, split at the first colon; `*` stands for every other organization.
 * Blank lines and lines that start with `#` are skipped; every other line that is no entry is reported.
 */
export function parsePeers(text: string): Peers {
  const tokens = new Map<OrganizationId, string>();
  let wildcard: string | null = null;
  const rejected: RejectedLine[] = [];
  text.split("\n").forEach((content, index) => {
    const trimmed = content.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return;
    const entry = parseLine(trimmed);
    const line = index + 1;
    if ("reason" in entry) {
      rejected.push({ line, reason: entry.reason });
    } else if (entry.peer === "*") {
      if (wildcard === null) wildcard = entry.token;
      else rejected.push({ line, reason: "a line for '*' stands above it" });
    } else if (tokens.has(entry.peer)) {
      rejected.push({ line, reason: "a line for the same organization stands above it" });
    } else {
      tokens.set(entry.peer, entry.token);
    }
  });
  return { tokens, wildcard, rejected };
}

/** The token for a peer, or null when there is none. */
export function tokenFor(peers: Peers, peer: OrganizationId): string | null {
  return peers.tokens.get(peer) ?? peers.wildcard;
}

/** Without one the worker could answer no challenge, and does not connect. */
export function hasUsableEntry(peers: Peers): boolean {
  return peers.wildcard !== null || peers.tokens.size > 0;
}

/** Whether both answer every challenge alike. */
export function areSameTokens(a: Peers, b: Peers): boolean {
  if (a.wildcard !== b.wildcard || a.tokens.size !== b.tokens.size) return false;
  return [...a.tokens].every(([peer, token]) => b.tokens.get(peer) === token);
}

type Entry = { peer: OrganizationId | "*"; token: string } | { reason: string };

function parseLine(line: string): Entry {
  const colon = line.indexOf(":");
  if (colon < 0) return { reason: "it has no colon between organization id and token" };
  const peer = line.slice(0, colon).trim();
  const token = line.slice(colon + 1).trim();
  if (peer === "") return { reason: "it has no organization id before the colon" };
  if (token === "") return { reason: "it has no token after the colon" };
  if (token.length !== TOKEN_CHARACTERS) {
    return {
      reason: `its token has ${token.length} characters, and a token has ${TOKEN_CHARACTERS}`,
    };
  }
  if (peer === "*") return { peer, token };
  const id = organizationIdSchema.safeParse(peer.toLowerCase());
  return id.success
    ? { peer: id.data, token }
    : { reason: "what stands before its colon is neither an organization's UUID nor '*'" };
}
