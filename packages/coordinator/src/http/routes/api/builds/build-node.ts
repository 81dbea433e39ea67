import { z } from "zod";
import type { BuildNode } from "../../../../db/build-view.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";
import { buildStatus, readBuildStatus } from "./build-status.ts";

export const buildNode = z
  .object({
    id: z.uuid(),
    name: z.string(),
    path: z.string(),
    status: buildStatus,
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: "BuildNode" });

/** `path` is the base name of the derivation. Throws for a state that no release wrote. */
export function toBuildNode(row: Omit<BuildNode, "derivation_id">): z.infer<typeof buildNode> {
  return {
    id: row.id,
    name: row.name,
    path: row.drv_path,
    status: readBuildStatus(row.state),
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
  };
}
