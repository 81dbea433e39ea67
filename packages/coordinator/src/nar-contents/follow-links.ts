import { openNarEntry, readNarParts, type NarEntry } from "@gradient/protocol";
import type { NarStore } from "../ports.ts";
import { namesBehind, type Link } from "./names.ts";
import { readNar } from "./read-nar.ts";

const MAX_LINKS = 16;

/** A stored NAR with the base name of the store path that it is shown as. */
export interface ShownNar {
  readonly path: string;
  readonly narHash: string;
}

/**
 * Finds a path, given as names below the root, and follows links as long as they stay inside of the store path. null when there is nothing, or
 * when a link leads out of it: what lies there is another store path's, and whoever may read this one may not therefore read that.
 */
export async function openInside(
  nars: NarStore,
  shown: ShownNar,
  names: readonly string[],
): Promise<Exclude<NarEntry, { type: "symlink" }> | null> {
  let at = names;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const entry = await openNarEntry(readNar(nars, shown.narHash), at);
    if (entry !== null && entry.type !== "symlink") return entry;
    await entry?.[Symbol.asyncDispose]();
    const link =
      entry === null
        ? await findLinkOnTheWay(nars, shown.narHash, at)
        : { depth: at.length, target: entry.target.toString() };
    const next = link === null ? null : namesBehind(shown.path, at, link);
    if (next === null) return null;
    at = next;
  }
  return null;
}

/** The link that stands where a directory was expected. */
async function findLinkOnTheWay(
  nars: NarStore,
  narHash: string,
  names: readonly string[],
): Promise<Link | null> {
  const wanted = names.map((name) => Buffer.from(name));
  for await (const part of readNarParts(readNar(nars, narHash))) {
    if (part.type !== "symlink" || part.path.length >= wanted.length) continue;
    const isOnTheWay = part.path.every((name, n) => wanted[n]?.equals(name));
    if (isOnTheWay) return { depth: part.path.length, target: part.target.toString() };
  }
  return null;
}
