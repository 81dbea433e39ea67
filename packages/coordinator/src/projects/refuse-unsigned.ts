import { BadRequestError } from "../errors.ts";

/** A project whose paths stay out of its caches cannot be had: what depends on them could not be built elsewhere. Throws BadRequestError. */
export function refuseUnsigned(signsCache: boolean): void {
  if (signsCache) return;
  throw new BadRequestError(
    "sign_cache cannot be false: what a project builds is signed and shown in its organization's caches; use a private cache",
  );
}
