import { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { BadRequestError, PayloadTooLargeError } from "../../../errors.ts";

/** The body as a stream; an absent one is empty. Throws BadRequestError. */
export function bodyOf(request: FastifyRequest): Readable {
  const { body } = request;
  if (body === undefined || body === null) return Readable.from([]);
  if (body instanceof Readable) return body;
  throw new BadRequestError("the body cannot be read");
}

/** So many times what is allowed is read of a body before its connection is broken: a client that still sends does not see the answer, and waits with its next request. */
const PATIENCE = 16;

/** A small body as text. Throws PayloadTooLargeError. */
export async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes <= maxBytes) pieces.push(Buffer.from(piece));
    else if (bytes > PATIENCE * maxBytes) break;
  }
  if (bytes > maxBytes) {
    throw new PayloadTooLargeError(`the body is larger than ${maxBytes} bytes`);
  }
  return Buffer.concat(pieces).toString("utf8");
}
