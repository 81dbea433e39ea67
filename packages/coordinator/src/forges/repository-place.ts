/** Where a repository lies at its forge, whichever way it is reached. */
export interface RepositoryPlace {
  /** In lower case, without a port: ssh and https have different ones. */
  readonly host: string;
  /** `owner/name`, as it was written, without `.git`. */
  readonly path: string;
}

const URL_ADDRESS = /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+)(?::\d+)?\/+(.+)$/i;
const SCP_ADDRESS = /^(?:[^@/:]+@)?(\[[^\]]+\]|[^:/]+):(?!\/\/)\/*(.+)$/;

/** The place that an address (`https://...`, `ssh://...`, `user@host:path`) names; null for what is none. */
export function placeOf(address: string): RepositoryPlace | null {
  const [, host, rest] = URL_ADDRESS.exec(address) ?? SCP_ADDRESS.exec(address) ?? [];
  if (host === undefined || rest === undefined) return null;
  const path = rest
    .replace(/[?#].*$/, "")
    .replace(/\/+$/, "")
    .replace(/\.git$/i, "");
  return path === "" ? null : { host: host.toLowerCase(), path };
}

/** Forges do not tell names apart by their case. */
export function isSamePlace(a: RepositoryPlace, b: RepositoryPlace): boolean {
  return a.host === b.host && a.path.toLowerCase() === b.path.toLowerCase();
}
