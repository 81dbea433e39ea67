import { v7 as uuidv7 } from "uuid";
import type { CacheAccess } from "../auth/authority.ts";
import { hasCachePermission } from "../auth/permissions.ts";
import type { Database, Queries } from "../db/client.ts";
import {
  findUpstream,
  insertUpstream,
  listInternalUpstreams,
  listUpstreams,
  updateUpstream,
  type Upstream,
} from "../db/upstream-repository.ts";
import { BadRequestError, ConflictError, ForbiddenError, NotFoundError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { checkDisplayName } from "../rules/names.ts";
import { checkPublicKey, checkRemoteCache, checkUpstreamUrl } from "../rules/upstream.ts";

/** For a path that a cache does not have all its upstreams are asked. */
const MAX_UPSTREAMS = 32;

type Mode = Upstream["mode"];

export type UpstreamRequest =
  | { kind: "internal"; upstream: CacheAccess; displayName: string | null; mode: Mode | null }
  | { kind: "http"; displayName: string; url: string; publicKey: string }
  | {
      kind: "gradient_proto";
      displayName: string;
      url: string;
      remoteCache: string;
      publicKey: string | null;
      apiKey: string | null;
      mode: Mode | null;
    };

/** What undefined says stays as it is. */
export interface UpstreamChange {
  displayName: string | undefined;
  mode: Mode | undefined;
  url: string | undefined;
  publicKey: string | undefined;
  /** null takes it away. */
  apiKey: string | null | undefined;
}

/** Binds a sealed key to its row. */
export function upstreamKeyContext(id: string): string {
  return `cache-upstream:${id}`;
}

/** Puts an upstream at the end of the cache's list and returns its id. Throws BadRequestError, ForbiddenError, ConflictError. */
export async function addUpstream(
  dependencies: { database: Database; masterKey: MasterKey },
  cacheId: string,
  request: UpstreamRequest,
  now: number,
): Promise<string> {
  const id = uuidv7();
  const fields = fieldsOf(dependencies.masterKey, id, request);
  checkDisplayName(fields.display_name);
  await dependencies.database.transaction(async ({ kysely: db }) => {
    if ((await listUpstreams(db, cacheId)).length >= MAX_UPSTREAMS) {
      throw new ConflictError(`a cache can have ${MAX_UPSTREAMS} upstreams; remove one first`);
    }
    if (request.kind === "internal") await checkNoCircle(db, cacheId, request.upstream.cache.id);
    await insertUpstream(db, { id, cache_id: cacheId, created_at: now, ...fields });
  });
  return id;
}

function fieldsOf(
  masterKey: MasterKey,
  id: string,
  request: UpstreamRequest,
): Omit<Upstream, "id" | "cache_id" | "created_at"> {
  const nothing = {
    url: null,
    public_key: null,
    upstream_cache_id: null,
    remote_cache: null,
    sealed_api_key: null,
  };
  switch (request.kind) {
    case "internal":
      checkMayShare(request.upstream);
      return {
        ...nothing,
        kind: request.kind,
        display_name: request.displayName ?? request.upstream.cache.display_name,
        mode: request.mode ?? "ReadWrite",
        upstream_cache_id: request.upstream.cache.id,
      };
    case "http":
      return {
        ...nothing,
        kind: request.kind,
        display_name: request.displayName,
        mode: "ReadOnly",
        url: checkUpstreamUrl(request.url),
        public_key: checkPublicKey(request.publicKey),
      };
    case "gradient_proto": {
      const url = checkUpstreamUrl(request.url);
      return {
        ...nothing,
        kind: request.kind,
        display_name: request.displayName,
        mode: request.mode ?? "ReadOnly",
        url,
        public_key: request.publicKey === null ? null : checkPublicKey(request.publicKey),
        remote_cache: checkRemoteCache(request.remoteCache),
        sealed_api_key: sealKey(masterKey, id, url, request.apiKey),
      };
    }
  }
}

/** Changes what may be changed of its kind. An API key is forgotten when the address changes, so that nobody has it sent to himself. Throws BadRequestError, NotFoundError. */
export async function changeUpstream(
  dependencies: { database: Database; masterKey: MasterKey },
  key: { cacheId: string; id: string },
  change: UpstreamChange,
): Promise<void> {
  if (change.displayName !== undefined) checkDisplayName(change.displayName);
  await dependencies.database.transaction(async ({ kysely: db }) => {
    const upstream = await findUpstream(db, key);
    if (upstream === undefined) throw new NotFoundError(`upstream ${key.id} does not exist`);
    refuseForeignFields(upstream, change);
    const url = change.url === undefined ? upstream.url : checkUpstreamUrl(change.url);
    const keptKey = url === upstream.url ? upstream.sealed_api_key : null;
    await updateUpstream(db, upstream.id, {
      display_name: change.displayName ?? upstream.display_name,
      mode: change.mode ?? upstream.mode,
      url,
      public_key:
        change.publicKey === undefined ? upstream.public_key : checkPublicKey(change.publicKey),
      sealed_api_key:
        change.apiKey === undefined
          ? keptKey
          : sealKey(dependencies.masterKey, upstream.id, url ?? "", change.apiKey),
    });
  });
}

function refuseForeignFields({ kind }: Upstream, change: UpstreamChange): void {
  const foreign = new Map([
    ["mode", kind === "http" && change.mode !== undefined && change.mode !== "ReadOnly"],
    ["url", kind === "internal" && change.url !== undefined],
    ["public_key", kind === "internal" && change.publicKey !== undefined],
    ["api_key", kind !== "gradient_proto" && change.apiKey !== undefined],
  ]);
  for (const [field, isForeign] of foreign) {
    if (isForeign)
      throw new BadRequestError(`${field} cannot be set for an upstream of kind ${kind}`);
  }
}

/** Whoever reads the cache would read the upstream. Throws ForbiddenError when the caller may not even do that. */
function checkMayShare({ cache, mask }: CacheAccess): void {
  if (cache.public === 1 || hasCachePermission(mask, "readStore")) return;
  throw new ForbiddenError(`the permission readStore on cache "${cache.name}" is needed`);
}

async function checkNoCircle(db: Queries, cacheId: string, upstreamId: string): Promise<void> {
  const seen = new Set<string>();
  for (let open = [upstreamId]; open.length > 0;) {
    if (open.includes(cacheId)) {
      throw new BadRequestError("a cache cannot be its own upstream, nor by way of others");
    }
    for (const id of open) seen.add(id);
    open = (await listInternalUpstreams(db, open)).filter((id) => !seen.has(id));
  }
}

function sealKey(
  masterKey: MasterKey,
  id: string,
  url: string,
  apiKey: string | null,
): string | null {
  const key = apiKey?.trim() ?? "";
  if (key === "") return null;
  if (!url.startsWith("https://")) {
    throw new BadRequestError("an API key is only sent to an https:// address");
  }
  return masterKey.seal(key, upstreamKeyContext(id));
}
