import { publishPathsSchema } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { takePaths } from "../../../intake/take-paths.ts";
import { readRequest } from "./read-request.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

const BODY_LIMIT = 8 * 1024 * 1024;

/** POST /proto/paths: publishes paths whose NARs are there. 204 when they are shown, or will be with their signature. */
export function pathsRoute(options: TransferRouteOptions): FastifyPluginAsync {
  const { evidence, publications, changes, grant } = options;
  return async (app) => {
    app.post("/paths", { bodyLimit: BODY_LIMIT }, async (request, reply) => {
      const granted = grant(request.headers);
      const { paths } = readRequest(publishPathsSchema, request.body);
      await takePaths({ evidence, publications, changes }, granted, paths);
      return reply.code(204).send();
    });
  };
}
