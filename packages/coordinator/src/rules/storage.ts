import { BadRequestError } from "../errors.ts";

/** Checks a cache's limit in gigabytes; 0 is no limit. Throws BadRequestError. */
export function checkStorageLimit(gigabytes: number): void {
  if (gigabytes >= 0) return;
  throw new BadRequestError("max_storage_gb has to be 0 (no limit) or more");
}

/** Limits of storage are given in these. */
export const BYTES_PER_GB = 1024 ** 3;
