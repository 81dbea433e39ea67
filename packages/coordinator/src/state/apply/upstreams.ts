import { v7 as uuidv7 } from "uuid";
import { upstreamKeyContext } from "../../caches/upstreams.ts";
import {
  deleteUpstream,
  insertUpstream,
  listUpstreams,
  type Upstream,
} from "../../db/upstream-repository.ts";
import { checkPublicKey, checkUpstreamUrl } from "../../rules/upstream.ts";
import type { FileUpstream } from "../state-file.ts";
import { difference, idOf, record, sealAnew, takeSealed, type Applying } from "./applying.ts";

type Columns = Omit<Upstream, "id" | "created_at">;

/** Makes the upstreams of the caches those of the file, in its order. */
export async function applyUpstreams(applying: Applying): Promise<void> {
  for (const cache of applying.declared.caches) {
    const cacheId = idOf(applying.cacheIds, cache.name);
    const found = await listUpstreams(applying.db, cacheId);
    const wanted = cache.upstreams.map((upstream, at) =>
      rowOf(applying, { cacheId, at }, upstream, found[at]),
    );
    const isSame =
      wanted.length === found.length && wanted.every((row, at) => isEqual(row, found[at]));
    if (isSame) continue;
    // The order is that of their making, so all are made anew.
    for (const { id } of found) await deleteUpstream(applying.db, { cacheId, id });
    for (const row of wanted) await insertUpstream(applying.db, row);
    record(applying, "changed", "upstreams of cache", cache.name);
  }
}

/** `found` is what stands in its place now: it keeps its id when the file names none. */
function rowOf(
  applying: Applying,
  { cacheId, at }: { cacheId: string; at: number },
  upstream: FileUpstream,
  found: Upstream | undefined,
): Upstream {
  const pinned = upstream.type === "gradient" ? upstream.id : undefined;
  const id = pinned ?? found?.id ?? uuidv7();
  return {
    id,
    created_at: applying.now + at,
    ...columnsOf(applying, { cacheId, id }, upstream, found),
  };
}

function columnsOf(
  applying: Applying,
  { cacheId, id }: { cacheId: string; id: string },
  upstream: FileUpstream,
  found: Upstream | undefined,
): Columns {
  const nothing = {
    cache_id: cacheId,
    url: null,
    public_key: null,
    upstream_cache_id: null,
    remote_cache: null,
    sealed_api_key: null,
    mode: upstream.mode,
  };
  switch (upstream.type) {
    case "internal":
      return {
        ...nothing,
        kind: "internal",
        display_name: upstream.display_name ?? shownName(applying, upstream.cache_name),
        upstream_cache_id: idOf(applying.cacheIds, upstream.cache_name),
      };
    case "external":
      return {
        ...nothing,
        kind: "http",
        display_name: upstream.display_name,
        url: checkUpstreamUrl(upstream.url),
        public_key: checkPublicKey(upstream.public_key),
      };
    case "gradient":
      return {
        ...nothing,
        kind: "gradient_proto",
        display_name: upstream.display_name,
        url: checkUpstreamUrl(upstream.url),
        public_key: upstream.public_key === undefined ? null : checkPublicKey(upstream.public_key),
        remote_cache: upstream.remote_cache,
        sealed_api_key: keyOf(applying, id, upstream, found),
      };
  }
}

function shownName({ declared }: Applying, name: string): string {
  return declared.caches.find((cache) => cache.name === name)?.display_name ?? name;
}

function keyOf(
  { masterKey, secrets }: Applying,
  id: string,
  upstream: Extract<FileUpstream, { type: "gradient" }>,
  found: Upstream | undefined,
): string | null {
  const context = upstreamKeyContext(id);
  const sealed = upstream.api_key_sealed;
  if (sealed !== undefined) return takeSealed(masterKey, sealed, context);
  const key = secrets.texts.get(upstream.api_key_file ?? "");
  if (key === undefined) return null;
  const stored = found?.id === id ? found.sealed_api_key : null;
  return sealAnew(masterKey, stored, key, context);
}

/** But for the time, which only gives the order. */
function isEqual(wanted: Upstream, found: Upstream | undefined): boolean {
  if (found === undefined) return false;
  return difference(found, { ...wanted, created_at: found.created_at }) === null;
}
