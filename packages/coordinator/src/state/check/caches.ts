import { checkDisplayName, checkSlug } from "../../rules/names.ts";
import { checkStorageLimit } from "../../rules/storage.ts";
import { checkPublicKey, checkRemoteCache, checkUpstreamUrl } from "../../rules/upstream.ts";
import type { Declared, DeclaredCache, Path } from "../declared.ts";
import type { Findings } from "../findings.ts";
import type { FileUpstream } from "../state-file.ts";
import { checkCreator, checkMembers } from "./members.ts";

/** Caches with their members, keys and upstreams, which may not lead back to the cache. */
export function checkCaches(declared: Declared, findings: Findings): void {
  const { caches } = declared;
  findings.unique(
    caches.map(({ path, name }) => ({ path, key: name })),
    "the name",
  );
  findings.uniqueIds(caches);
  findings.uniqueIds(
    caches.flatMap(({ path, upstreams }) =>
      upstreams.map((upstream, at) => ({
        path: [...path, "upstreams", at],
        id: upstream.type === "gradient" ? upstream.id : undefined,
      })),
    ),
  );
  const organizations = new Set(declared.organizations.map(({ name }) => name));
  for (const cache of caches) {
    const { path, name } = cache;
    findings.rule(path, () => checkSlug("cache", name));
    findings.rule([...path, "display_name"], () => checkDisplayName(cache.display_name ?? name));
    findings.rule([...path, "max_storage_gb"], () => checkStorageLimit(cache.max_storage_gb));
    checkCreator(declared, findings, cache);
    checkMembers(declared, findings, { kind: "cache", ...cache });
    findings.unique(
      cache.organizations.map(({ organization }, at) => ({
        path: [...path, "organizations", at],
        key: organization,
      })),
      "the organization",
    );
    for (const [at, { organization }] of cache.organizations.entries()) {
      findings.known([...path, "organizations", at], "organizations", organizations, organization);
    }
    checkKeys(cache, findings);
    for (const [at, upstream] of cache.upstreams.entries()) {
      checkUpstream(upstream, [...path, "upstreams", at], findings);
    }
  }
  checkCircles(caches, findings);
}

function checkKeys({ path, signing_keys: keys, id }: DeclaredCache, findings: Findings): void {
  for (const [at, key] of keys.entries()) {
    findings.rule([...path, "signing_keys", at, "public_key"], () => {
      checkPublicKey(key.public_key);
    });
  }
  if (id === undefined && keys.some((key) => key.sealed !== undefined)) {
    findings.add(
      [...path, "id"],
      "it is missing, and sealed keys need it: take it from the export",
    );
  }
}

function checkUpstream(upstream: FileUpstream, path: Path, findings: Findings): void {
  const shown = upstream.display_name;
  if (shown !== undefined) {
    findings.rule([...path, "display_name"], () => checkDisplayName(shown));
  }
  if (upstream.type === "internal") return;
  findings.rule([...path, "url"], () => void checkUpstreamUrl(upstream.url));
  const key = upstream.public_key;
  if (key !== undefined) findings.rule([...path, "public_key"], () => void checkPublicKey(key));
  if (upstream.type === "external") return;
  findings.rule([...path, "remote_cache"], () => void checkRemoteCache(upstream.remote_cache));
  findings.onlyOne(path, upstream, ["api_key_file", "api_key_sealed"]);
  const hasKey = upstream.api_key_file !== undefined || upstream.api_key_sealed !== undefined;
  if (hasKey && !upstream.url.startsWith("https://")) {
    findings.add([...path, "url"], "an API key is only sent to an https:// address");
  }
  if (upstream.api_key_sealed !== undefined && upstream.id === undefined) {
    findings.add(
      [...path, "id"],
      "it is missing, and a sealed key needs it: take it from the export",
    );
  }
}

/** Upstreams of this server have to be in the file, and lead nowhere back. */
function checkCircles(caches: readonly DeclaredCache[], findings: Findings): void {
  const named = new Map(caches.map((cache) => [cache.name, cache]));
  const names = new Set(named.keys());
  const reaches = (from: string, goal: string, seen: Set<string>): boolean => {
    if (from === goal) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return internalOf(named.get(from)).some((next) => reaches(next, goal, seen));
  };
  for (const cache of caches) {
    for (const [at, upstream] of cache.upstreams.entries()) {
      if (upstream.type !== "internal") continue;
      const place = [...cache.path, "upstreams", at, "cache_name"];
      findings.known(place, "caches", names, upstream.cache_name);
      if (reaches(upstream.cache_name, cache.name, new Set())) {
        findings.add(place, "a cache cannot be its own upstream, nor by way of others: remove it");
      }
    }
  }
}

function internalOf(cache: DeclaredCache | undefined): string[] {
  return (cache?.upstreams ?? []).flatMap((each) =>
    each.type === "internal" ? [each.cache_name] : [],
  );
}
