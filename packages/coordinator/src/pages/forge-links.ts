import { placeOf } from "../forges/repository-place.ts";

/** Pages of a forge about a repository. */
export interface ForgeLinks {
  readonly commit: (hash: string) => string;
  readonly range: (from: string, to: string) => string;
}

/** Forges that lie where their name says; of another host nobody knows what it serves to browsers. */
const FORGE_HOST = /(?:^|\.)(?:github|gitlab|codeberg|gitea|forgejo)\./;

/** null for a repository that no known forge has. */
export function forgeLinks(repository: string): ForgeLinks | null {
  const place = placeOf(repository);
  if (place === null || !FORGE_HOST.test(place.host)) return null;
  const separator = /(?:^|\.)gitlab\./.test(place.host) ? "/-" : "";
  const base = `https://${place.host}/${place.path.split("/").map(encodeURIComponent).join("/")}${separator}`;
  return {
    commit: (hash) => `${base}/commit/${hash}`,
    range: (from, to) => `${base}/compare/${from}...${to}`,
  };
}
