import { z } from "zod";

const MAX_REFERENCES = 20_000;
const size = z.int().positive();
const text = z.string().max(1000);

/** What is said of a path whose NAR is uploaded. Hashes in any of Nix's spellings, paths with or without `/nix/store/`. */
export const narClaim = z.object({
  store_path: text,
  file_hash: text,
  file_size: size,
  nar_hash: text,
  nar_size: size,
  references: z.array(text).max(MAX_REFERENCES),
  deriver: text.nullish(),
  ca: text.nullish(),
  signatures: z
    .array(text)
    .max(100)
    .nullish()
    .transform((list) => list ?? []),
});

export const uploadedNar = z.object({ store_path: z.string(), created: z.boolean() });
