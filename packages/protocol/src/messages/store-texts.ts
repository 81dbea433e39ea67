import { z } from "zod";

export const storePathText = z
  .string()
  .regex(/^\/nix\/store\/[0-9a-df-np-sv-z]{32}-[^/\s]{1,211}$/, "not a store path");

/** `sha256:` and 52 characters of Nix base 32. */
export const narHashText = z
  .string()
  .regex(/^sha256:[0-9a-df-np-sv-z]{52}$/, "not a sha256 in Nix base 32");
