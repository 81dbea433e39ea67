import { Readable } from "node:stream";
import { findNewestAttemptInCache } from "../../../db/build-view.ts";
import { NotFoundError } from "../../../errors.ts";
import { sendLog } from "../../../logs/send-log.ts";
import type { CacheRoute } from "../../api.ts";
import { sendGrowing } from "../../growing-answer.ts";
import { readableCache } from "./cache-access.ts";
import { checkDrvName, logDocument } from "./log-name.ts";

/** GET /cache/{cache}/log/{drv}: what `nix log` asks for. With `?follow` it goes on until the build has ended: Nix itself shows nothing before that. */
export const buildLog: CacheRoute = (app, services) => {
  const { database, documents, logs, upstreams } = services;
  app.get<{ Params: { cache: string; drv: string }; Querystring: { follow?: string } }>(
    "/:cache/log/:drv",
    async (request, reply) => {
      const { cache: name, drv } = request.params;
      const cache = await readableCache(services, request, name);
      checkDrvName(drv);
      const attempt = await findNewestAttemptInCache(database.kysely, cache.id, drv);
      const headers = {
        "content-type": "text/plain; charset=utf-8",
        "x-cache": "HIT",
        "access-control-allow-origin": "*",
      };
      const isFollowed = request.query.follow !== undefined && request.method !== "HEAD";
      if (attempt !== undefined && isFollowed) {
        return sendGrowing(reply, services, {
          headers,
          check: () => readableCache(services, request, name),
          texts: (signal) => logs.follow(attempt, 0, signal),
        });
      }
      if (attempt !== undefined) return sendLog(reply, headers, logs.text(attempt));
      const uploaded = await documents.open(cache.id, logDocument(drv));
      const log = uploaded ?? (await upstreams.findLog(cache.id, drv));
      if (log === null) throw new NotFoundError(`cache "${name}" has no log of ${drv}`);
      reply.headers({ ...headers, "x-cache": uploaded === null ? "MISS" : "HIT" });
      return reply.send(Readable.from(log, { objectMode: false }));
    },
  );
};
