import { PublicKey, SignatureError } from "@gradient/protocol";
import { BadRequestError } from "../errors.ts";

const REMOTE_CACHE = /^[A-Za-z0-9._-]{1,100}$/;

/** The cache that every Nix installation trusts. */
export const NIXOS_UPSTREAM = {
  display_name: "cache.nixos.org",
  url: "https://cache.nixos.org",
  public_key: "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
} as const;

/** The address of a binary cache without slashes at its end. Throws BadRequestError. */
export function checkUpstreamUrl(text: string): string {
  const refuse = (fault: string): never => {
    throw new BadRequestError(`url ${JSON.stringify(text)} cannot be used: ${fault}`);
  };
  if (!URL.canParse(text.trim())) return refuse("it is no URL");
  const url = new URL(text.trim());
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return refuse("it has to begin with https:// or http://");
  }
  if (url.username !== "" || url.password !== "") return refuse("it holds credentials");
  if (url.search !== "" || url.hash !== "") return refuse("it has a query or a fragment");
  return url.href.replace(/\/+$/, "");
}

/** A key as Nix's trusted-public-keys has it, without white space around it. Throws BadRequestError. */
export function checkPublicKey(text: string): string {
  try {
    return PublicKey.parse(text.trim()).toString();
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    throw new BadRequestError(
      "public_key is no public key in Nix's format (name:base64), as trusted-public-keys has it",
      { cause: error },
    );
  }
}

/** The name of a cache on another server. Throws BadRequestError. */
export function checkRemoteCache(text: string): string {
  const name = text.trim();
  if (REMOTE_CACHE.test(name) && name !== "." && name !== "..") return name;
  throw new BadRequestError(
    `remote_cache ${JSON.stringify(text)} cannot be used: only letters, digits and - _ . are allowed`,
  );
}
