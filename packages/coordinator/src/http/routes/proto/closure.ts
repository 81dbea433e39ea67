import { isStorePath, pathListSchema, storePathBase, type Closure } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { toPathFacts } from "../../../intake/path-facts.ts";
import { BadRequestError } from "../../../errors.ts";
import { readRequest } from "./read-request.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

const BODY_LIMIT = 4 * 1024 * 1024;

/** POST /proto/closure: facts of everything that the paths refer to, directly or not, as caches of the worker's organization show it, and what they lack. */
export function closureRoute({ findClosure, grant }: TransferRouteOptions): FastifyPluginAsync {
  return async (app) => {
    app.post("/closure", { bodyLimit: BODY_LIMIT }, async (request): Promise<Closure> => {
      const { organization } = grant(request.headers);
      const { paths } = readRequest(pathListSchema, request.body);
      const bases = paths.map((path) => {
        if (!isStorePath(path)) throw new BadRequestError(`'${path}' is not a store path`);
        return storePathBase(path);
      });
      const closure = await findClosure(organization, bases);
      return {
        paths: closure.paths.map(toPathFacts),
        missing: closure.missing.map((base) => `/nix/store/${base}`),
      };
    });
  };
}
