import type { Forge } from "../db/forge-tables.ts";

/** Where the API of a forge is when an integration does not say: those that have one place that everybody means. */
export const DEFAULT_ENDPOINTS: Readonly<Partial<Record<Forge, string>>> = {
  github: "https://api.github.com",
  gitlab: "https://gitlab.com",
};

/** Host of the repositories of the forge whose API is at the endpoint; null when there is no endpoint. */
export function repositoryHost(forge: Forge, endpoint: string | null): string | null {
  const url = endpoint ?? DEFAULT_ENDPOINTS[forge];
  if (url === undefined || !URL.canParse(url)) return null;
  const host = new URL(url).hostname.toLowerCase();
  return forge === "github" && host === "api.github.com" ? "github.com" : host;
}
