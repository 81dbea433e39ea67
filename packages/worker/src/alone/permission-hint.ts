import { dirname } from "node:path";
import type { NixInstallation } from "../nix/installation.ts";

const REFUSED = /Permission denied|Operation not permitted|Read-only file system/;

/** What to say behind an error of Nix that is about permission for its own files; empty for every other. */
export function permissionHint(
  error: string,
  { physicalStoreDirectory }: Pick<NixInstallation, "physicalStoreDirectory">,
): string {
  if (!REFUSED.test(error) || !error.includes(dirname(physicalStoreDirectory))) return "";
  return "\nThis user has no permission for the store: 'gradient-worker check' says what to change";
}
