import { Readable } from "node:stream";
import { drvPathListSchema } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { findVisible } from "../../../db/cache-path-repository.ts";
import { findDerivationIds } from "../../../db/derivation-repository.ts";
import { BadRequestError } from "../../../errors.ts";
import { baseOf } from "../../../intake/path-facts.ts";
import { takeDerivations } from "../../../intake/take-derivations.ts";
import { readRequest } from "./read-request.ts";
import { streamBodies } from "./stream-bodies.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

const LIST_LIMIT = 4 * 1024 * 1024;

/** POST /proto/derivations/unknown: which of the derivations have to be uploaded. PUT /proto/derivations: takes them, as tar and zstd. */
export function derivationRoutes(options: TransferRouteOptions): FastifyPluginAsync {
  const { kysely, grant, promised } = options;
  return async (app) => {
    app.post("/derivations/unknown", { bodyLimit: LIST_LIMIT }, async (request) => {
      const { organization } = grant(request.headers);
      const { drvPaths } = readRequest(drvPathListSchema, request.body);
      const known = await findDerivationIds(kysely, organization, drvPaths.map(baseOf));
      // Of one that is known the file may have gone, and with it what it refers to.
      const here = await findVisible(kysely, organization, known.keys());
      promised.add(here);
      return { unknown: drvPaths.filter((path) => !here.has(baseOf(path))) };
    });

    await app.register(bundleRoute(options));
  };
}

function bundleRoute(options: TransferRouteOptions): FastifyPluginAsync {
  const { kysely, nars, publications, changes, grant } = options;
  return async (app) => {
    streamBodies(app);
    // Streamed; the bundle's own reader bounds it.
    app.put("/derivations", { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request) => {
      const granted = grant(request.headers);
      const { body } = request;
      if (!(body instanceof Readable)) {
        throw new BadRequestError(
          "send the tar+zstd bundle as the body, with Content-Type: application/zstd",
        );
      }
      return {
        accepted: await takeDerivations({ kysely, nars, publications, changes }, granted, body),
      };
    });
  };
}
