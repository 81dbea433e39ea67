import type { UploadTicket } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { z } from "zod";
import { checkNarSize, narParamsSchema, narSizeSchema, receiptOf } from "./nar.ts";
import { readRequest } from "./read-request.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

const ticketQuerySchema = z.object({ fileSize: z.coerce.number().int().positive() });
const takeQuerySchema = z.object({ size: narSizeSchema });

/** POST /proto/nar/HASH/ticket: where to put the NAR in the object store. POST /proto/nar/HASH/staged: takes it from there, or 202 while it is looked at. */
export function stagedNarRoutes(options: TransferRouteOptions): FastifyPluginAsync {
  const { direct, grant } = options;
  return async (app) => {
    app.post("/nar/:narHash/ticket", async (request): Promise<UploadTicket> => {
      const { narHash } = readRequest(narParamsSchema, request.params);
      const { fileSize } = readRequest(ticketQuerySchema, request.query);
      return { url: await direct.address(grant(request.headers), narHash, fileSize) };
    });

    app.post("/nar/:narHash/staged", async (request, reply) => {
      const { narHash } = readRequest(narParamsSchema, request.params);
      const { size: narSize } = readRequest(takeQuerySchema, request.query);
      checkNarSize(narSize);
      const object = await direct.take(grant(request.headers), { narHash, narSize });
      return object === null ? reply.code(202).send({}) : receiptOf(object);
    });
  };
}
