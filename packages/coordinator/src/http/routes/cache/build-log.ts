import { findNewestAttemptInCache } from "../../../db/build-view.ts";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import { sendLog } from "../../../logs/send-log.ts";
import type { CacheRoute } from "../../api.ts";
import { readableCache } from "./cache-access.ts";

const DRV = /^[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+\-._?=]{1,207}\.drv$/;

/** GET /cache/{cache}/log/{drv}: what `nix log` asks for. */
export const buildLog: CacheRoute = (app, services) => {
  const { database, logs } = services;
  app.get<{ Params: { cache: string; drv: string } }>(
    "/:cache/log/:drv",
    async (request, reply) => {
      const { cache: name, drv } = request.params;
      const cache = await readableCache(services, request, name);
      if (!DRV.test(drv)) {
        throw new BadRequestError(
          `"${drv}" is not <hash>-<name>.drv, the base name of a derivation`,
        );
      }
      const attempt = await findNewestAttemptInCache(database.kysely, cache.id, drv);
      if (attempt === undefined) {
        throw new NotFoundError(`cache "${name}" has no log of ${drv}`);
      }
      const headers = {
        "content-type": "text/plain; charset=utf-8",
        "x-cache": "HIT",
        "access-control-allow-origin": "*",
      };
      return sendLog(reply, headers, logs.text(attempt));
    },
  );
};
