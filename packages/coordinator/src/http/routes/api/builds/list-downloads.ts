import { z } from "zod";
import { findProducts } from "../../../../artefacts/build-products.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";

const download = z.object({
  file_type: z.string(),
  subtype: z.string(),
  name: z.string(),
  /** Full store path. */
  path: z.string(),
  /** Bytes; null for a directory, or when it is not known. */
  size: z.int().nullable(),
});

/** GET /builds/{id}/downloads: what the build's outputs name in nix-support/hydra-build-products. */
export const listDownloadsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id/downloads",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists what can be downloaded of a build.",
        params: buildParams,
        response: { 200: envelope(z.array(download)) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const found = await findProducts(database.kysely, build.organization_id, [build]);
      return ok(
        [...found.values()].flat().flatMap(({ products }) =>
          products.map(({ type, subtype, name, path, size }) => ({
            file_type: type,
            subtype,
            name,
            path,
            size,
          })),
        ),
      );
    },
  );
};
