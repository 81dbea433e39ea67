import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { PromisedPaths } from "../../../collection/promised-paths.ts";
import { isDiskFull } from "../../../error-facts.ts";
import { CoordinatorError } from "../../../errors.ts";
import type { CachedPathReads } from "../../../db/cache-path-repository.ts";
import type { Queries } from "../../../db/client.ts";
import type { FindNarObject } from "../../../db/nar-object-repository.ts";
import type { FindClosure } from "../../../intake/announced-closure.ts";
import type { DirectUploads } from "../../../intake/direct-uploads.ts";
import type { NarIntake } from "../../../intake/nar-intake.ts";
import type { PublicationPlanner } from "../../../intake/publication.ts";
import type { TransferGrant } from "../../../intake/transfer-access.ts";
import type { PathEvidence } from "../../../intake/verify-path.ts";
import type { ChangeFacts } from "../../../queue/change.ts";
import type { NarStorage } from "../../../storage/nar-storage.ts";
import { closureRoute } from "./closure.ts";
import { derivationRoutes } from "./derivations.ts";
import { heldNarsRoute } from "./held-nars.ts";
import { narBundleRoute } from "./nar-bundle.ts";
import { narRoutes } from "./nar.ts";
import { pathsRoute } from "./paths.ts";
import { stagedNarRoutes } from "./staged-nar.ts";

export interface TransferRouteOptions {
  readonly kysely: Queries;
  readonly files: NarStorage;
  readonly nars: NarIntake;
  readonly direct: DirectUploads;
  readonly findNarObject: FindNarObject;
  readonly findClosure: FindClosure;
  readonly cachedPaths: CachedPathReads;
  readonly evidence: PathEvidence;
  /** Is told what workers are told to be here. */
  readonly promised: PromisedPaths;
  readonly publications: PublicationPlanner;
  readonly changes: ChangeFacts;
  /** Throws UnauthorizedError or ForbiddenError. */
  readonly grant: (headers: FastifyRequest["headers"]) => TransferGrant;
}

/** Bulk transfers of workers, next to their sockets. To be registered with the prefix `/proto`. */
export function transferRoutes(options: TransferRouteOptions): FastifyPluginAsync {
  return async (app) => {
    // Before a byte of the body is read.
    app.addHook("onRequest", async (request) => {
      options.grant(request.headers);
    });
    app.setErrorHandler(async (error, request, reply) => {
      if (error instanceof CoordinatorError) {
        return reply.code(error.status).send({ code: error.code, error: error.message });
      }
      const status = statusOf(error);
      if (status < 500 && error instanceof Error) {
        return reply.code(status).send({ code: "bad_request", error: error.message });
      }
      request.log.error(
        { err: error, method: request.method, url: request.url },
        "a transfer failed",
      );
      if (isDiskFull(error)) {
        return reply.code(503).send({ code: "disk_full", error: "the coordinator's disk is full" });
      }
      return reply
        .code(500)
        .send({ code: "internal", error: "internal error; the coordinator's log has the cause" });
    });
    await app.register(narRoutes(options));
    await app.register(stagedNarRoutes(options));
    await app.register(narBundleRoute(options));
    await app.register(heldNarsRoute(options));
    await app.register(closureRoute(options));
    await app.register(pathsRoute(options));
    await app.register(derivationRoutes(options));
  };
}

/** Fastify's own errors say which status they mean. */
function statusOf(error: unknown): number {
  if (!(error instanceof Error) || !("statusCode" in error)) return 500;
  return typeof error.statusCode === "number" ? error.statusCode : 500;
}
