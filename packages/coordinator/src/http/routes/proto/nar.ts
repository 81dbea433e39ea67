import { Readable } from "node:stream";
import { STAGED_BYTES_HEADER, type NarReceipt, type WorkerId } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { z } from "zod";
import type { NarObject } from "../../../db/nar-object-repository.ts";
import { BadRequestError, NotFoundError, UnprocessableError } from "../../../errors.ts";
import { parseRange } from "./range.ts";
import { readRequest } from "./read-request.ts";
import { streamBodies } from "./stream-bodies.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

export const narParamsSchema = z.object({
  narHash: z
    .string()
    .regex(/^[01][0-9a-df-np-sv-z]{51}$/, "the NAR's sha256 in Nix base 32, 52 characters"),
});

/** Larger archives are refused before they are read. */
const MAX_NAR_BYTES = 2 ** 40;

export function checkNarSize(size: number): void {
  if (size <= MAX_NAR_BYTES) return;
  throw new UnprocessableError(`a NAR of ${size} bytes is larger than ${MAX_NAR_BYTES}`);
}

export const narSizeSchema = z.coerce.number().int().positive();
const querySchema = z.object({
  size: narSizeSchema,
  offset: z.coerce.number().int().nonnegative().default(0),
});

export function receiptOf(object: NarObject): NarReceipt {
  return {
    narHash: `sha256:${object.narHash}`,
    narSize: object.narSize,
    fileHash: `sha256:${object.fileHash}`,
    fileSize: object.fileSize,
  };
}

/** A worker's upload goes on only with that worker's bytes. */
function uploadName(worker: WorkerId, narHash: string): string {
  return `${worker}-${narHash}`;
}

/** PUT, HEAD and GET /proto/nar/HASH. An upload that broke off goes on at the offset that HEAD tells; a NAR is read in ranges (RFC 9110, 14). */
export function narRoutes(options: TransferRouteOptions): FastifyPluginAsync {
  const { nars, files, findNarObject, cachedPaths, grant } = options;
  return async (app) => {
    streamBodies(app);
    // The body is streamed and bounded by the announced size, not by the framework.
    app.put("/nar/:narHash", { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request) => {
      const { narHash } = readRequest(narParamsSchema, request.params);
      const { size, offset } = readRequest(querySchema, request.query);
      checkNarSize(size);
      const { body } = request;
      if (!(body instanceof Readable)) {
        throw new BadRequestError(
          "send the zstd-compressed NAR as the body, with Content-Type: application/zstd",
        );
      }
      const { organization, worker } = grant(request.headers);
      const name = uploadName(worker, narHash);
      return receiptOf(
        await nars.take({ narHash, narSize: size }, { organization, body, name, offset }),
      );
    });

    app.head("/nar/:narHash", async (request, reply) => {
      const { narHash } = readRequest(narParamsSchema, request.params);
      const { organization, worker } = grant(request.headers);
      const object = nars.findHeld(organization, narHash);
      if (object === null) {
        const staged = await files.stagedBytes(uploadName(worker, narHash));
        return reply.code(404).header(STAGED_BYTES_HEADER, staged).send();
      }
      return reply
        .header("content-length", object.fileSize)
        .header("accept-ranges", "bytes")
        .send();
    });

    app.get("/nar/:narHash", { exposeHeadRoute: false }, async (request, reply) => {
      const { organization } = grant(request.headers);
      const { narHash } = readRequest(narParamsSchema, request.params);
      const object = findNarObject(narHash);
      if (object === null || !cachedPaths.isNarVisible(organization, narHash)) {
        throw new NotFoundError(
          `no cache of the organization has a path with NAR hash sha256:${narHash}`,
        );
      }
      const range = parseRange(request.headers.range, object.fileSize);
      reply.header("content-type", "application/zstd").header("accept-ranges", "bytes");
      if (range === "unsatisfiable") {
        return reply.code(416).header("content-range", `bytes */${object.fileSize}`).send();
      }
      const { start, end } = range ?? { start: 0, end: object.fileSize - 1 };
      if (range !== null) {
        reply.code(206).header("content-range", `bytes ${start}-${end}/${object.fileSize}`);
      }
      reply.header("content-length", end - start + 1);
      return reply.send(await files.read(narHash, { start, end: end + 1 }));
    });
  };
}
