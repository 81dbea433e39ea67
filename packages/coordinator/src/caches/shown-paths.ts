import { fingerprint, type NarInfo, type StorePath } from "@gradient/protocol";
import type { CacheSurfaceView } from "../db/cache-surface-view.ts";
import type { CacheSigner } from "../ports.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import { narInfoOf } from "./narinfo-of.ts";

/** A path as a cache shows it: its own, or one that an upstream has. */
export interface ShownInfo {
  readonly info: NarInfo;
  readonly isOwn: boolean;
}

export interface ShownPathsParts {
  readonly surface: Pick<CacheSurfaceView, "findPath">;
  readonly upstreams: Pick<Upstreams, "find" | "isWorthAsking">;
  readonly signer: CacheSigner;
}

/** A path that only an upstream of the cache has, signed by the cache as well; its NAR comes through the cache. `unknown` when an upstream does not answer. */
export async function findUpstreamInfo(
  { upstreams, signer }: Pick<ShownPathsParts, "upstreams" | "signer">,
  cacheId: string,
  hashPart: string,
): Promise<NarInfo | "absent" | "unknown"> {
  const found = await upstreams.find(cacheId, hashPart);
  if (typeof found === "string") return found;
  const { info, upstreamId } = found;
  const { signatures: own } = await signer.sign(cacheId, fingerprint(info));
  return {
    ...info,
    url: `nar/upstream/${upstreamId}/${hashPart}/${withoutQuery(info.url)}`,
    signatures: [...new Set([...own, ...info.signatures])],
  };
}

/** The path from the cache, or else from an upstream. An outage counts as an absence, as for a single narinfo. */
async function findShown(
  parts: ShownPathsParts,
  cacheId: string,
  hashPart: string,
): Promise<ShownInfo | null> {
  const own = parts.surface.findPath(cacheId, hashPart);
  if (own !== undefined) return { info: narInfoOf(own), isOwn: true };
  if (!parts.upstreams.isWorthAsking(cacheId, hashPart)) return null;
  const info = await findUpstreamInfo(parts, cacheId, hashPart);
  return typeof info === "string" ? null : { info, isOwn: false };
}

/** A URL as it stands in a path of ours. */
export function withoutQuery(url: string): string {
  return url.split("?", 1)[0] ?? url;
}

/** What was found of the hash parts that were asked for. */
export interface FoundPath {
  readonly hashPart: string;
  /** null when neither the cache nor an upstream has it. */
  readonly shown: ShownInfo | null;
}

/** Upstreams are asked for so many paths at the same time. */
const AT_ONCE = 16;

/** The paths, each once, in the order in which they were asked for, as they are found. */
export async function* findPaths(
  parts: ShownPathsParts,
  cacheId: string,
  hashParts: Iterable<string>,
): AsyncGenerator<FoundPath, void, undefined> {
  const all = [...new Set(hashParts)];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    yield* await Promise.all(
      all.slice(at, at + AT_ONCE).map(async (hashPart) => {
        return { hashPart, shown: await findShown(parts, cacheId, hashPart) };
      }),
    );
  }
}

const hashPartOf = (path: StorePath): string => path.slice("/nix/store/".length).slice(0, 32);

export interface ShownClosure {
  /** References before what refers to them. */
  readonly paths: readonly ShownInfo[];
  /** Hash parts of what is neither in the cache nor in an upstream. */
  readonly missing: readonly string[];
  /** The closure was larger than what was followed. */
  readonly isCut: boolean;
}

/** Everything that the paths refer to, transitively, themselves included; at most about `limit` paths are looked up. */
export async function findShownClosure(
  parts: ShownPathsParts,
  cacheId: string,
  hashParts: Iterable<string>,
  limit: number,
): Promise<ShownClosure> {
  const seen = new Map<string, ShownInfo | null>();
  const roots = [...new Set(hashParts)];
  let level = roots;
  while (level.length > 0 && seen.size < limit) {
    const next = new Set<string>();
    for await (const { hashPart, shown } of findPaths(parts, cacheId, level)) {
      seen.set(hashPart, shown);
      for (const reference of shown?.info.references ?? []) next.add(hashPartOf(reference));
    }
    level = [...next].filter((hashPart) => !seen.has(hashPart));
  }
  const missing = [...seen].filter(([, shown]) => shown === null).map(([hashPart]) => hashPart);
  return { paths: inOrder(roots, seen), missing, isCut: level.length > 0 };
}

function inOrder(
  roots: readonly string[],
  found: ReadonlyMap<string, ShownInfo | null>,
): ShownInfo[] {
  const ordered: ShownInfo[] = [];
  const entered = new Set<string>();
  const open: { shown: ShownInfo; next: number }[] = [];
  const enter = (hashPart: string): void => {
    if (entered.has(hashPart)) return;
    entered.add(hashPart);
    const shown = found.get(hashPart) ?? null;
    if (shown !== null) open.push({ shown, next: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const reference = top.shown.info.references[top.next++];
      if (reference !== undefined) {
        enter(hashPartOf(reference));
      } else {
        ordered.push(top.shown);
        open.pop();
      }
    }
  }
  return ordered;
}
