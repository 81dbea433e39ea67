import { z } from "zod";
import type { FlakeInput } from "../../../../db/flake-input-repository.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

export const flakeInputParams = projectParams.extend({ id: z.uuid() });

export const newFlakeInputBody = z.object({
  input_name: z.string(),
  /** Where it comes from, as Nix writes it: `github:NixOS/nixpkgs/nixos-unstable`. */
  url: z.string(),
});

export const flakeInputChangeBody = z.object({
  input_name: z.string().nullish(),
  url: z.string().nullish(),
});

export const flakeInputSchema = z
  .object({
    id: z.uuid(),
    project: z.uuid(),
    input_name: z.string(),
    url: z.string(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: "FlakeInput" });

/** `url` as it was given: what it stands for is found by each evaluation anew. */
export function toFlakeInput(row: FlakeInput): z.infer<typeof flakeInputSchema> {
  return {
    id: row.id,
    project: row.project_id,
    input_name: row.input_name,
    url: row.url,
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
  };
}
