import { z } from "zod";

/** The hash part of a store path. */
export const hashPart = z
  .string()
  .regex(
    /^[0-9a-df-np-sv-z]{32}$/,
    "expected the 32 characters of Nix base 32 that begin a store path's name",
  );

export const narParams = z.object({ cache: z.string(), hash: hashPart });
