import { isStorePath, type InputOverride } from "@gradient/protocol";
import { BadRequestError } from "../errors.ts";

const INPUT_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const MAX_URL_LENGTH = 2000;
const MAX_OVERRIDES = 100;
/** What a worker fetches from elsewhere; a file of the worker's own is nothing that a user may name. */
const REMOTE_SCHEMES = [
  "github:",
  "gitlab:",
  "sourcehut:",
  "git+ssh://",
  "git+https://",
  "git+http://",
  "git://",
  "https://",
  "http://",
  "flake:",
];

/** Checks what a request says of a flake's inputs. Throws BadRequestError. */
export function checkInputOverrides(overrides: readonly InputOverride[]): void {
  if (overrides.length > MAX_OVERRIDES) {
    throw new BadRequestError(`more than ${MAX_OVERRIDES} inputs cannot be overridden at once`);
  }
  const seen = new Set<string>();
  for (const { input, url } of overrides) {
    if (!INPUT_NAME.test(input)) {
      throw new BadRequestError(
        `input name ${JSON.stringify(input)} cannot be used: letters, digits, - and _ are allowed, and a letter or _ first`,
      );
    }
    if (seen.has(input)) throw new BadRequestError(`input "${input}" is overridden twice`);
    seen.add(input);
    const fault = faultOfUrl(url);
    if (fault !== null) {
      throw new BadRequestError(`input "${input}" cannot be ${JSON.stringify(url)}: ${fault}`);
    }
  }
}

/** Store path that an override names, with `path:` before it; null for what comes from elsewhere. */
export function storePathOf({ url }: InputOverride): string | null {
  return url.startsWith("path:") ? url.slice("path:".length) : null;
}

function faultOfUrl(url: string): string | null {
  if (url.length > MAX_URL_LENGTH) return `it is longer than ${MAX_URL_LENGTH} characters`;
  if (!/^[!-~]+$/.test(url)) return "only printable ASCII characters without spaces are allowed";
  if (REMOTE_SCHEMES.some((scheme) => url.startsWith(scheme) && url.length > scheme.length)) {
    return null;
  }
  const path = storePathOf({ input: "", url });
  if (path !== null && isStorePath(path)) return null;
  return `it has to be remote (${REMOTE_SCHEMES.join(" ")}) or path:/nix/store/<hash>-<name>`;
}
