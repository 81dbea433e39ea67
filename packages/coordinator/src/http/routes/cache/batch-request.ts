import { z } from "zod";
import type { FastifyRequest } from "fastify";
import { BadRequestError } from "../../../errors.ts";
import { readRequest } from "../proto/read-request.ts";
import { bodyOf, readText } from "./bodies.ts";

/** Hash parts in one request. */
const MAX_HASHES = 10_000;
const MAX_BODY_BYTES = 1024 * 1024;

const hashPart = z
  .string()
  .regex(/^[0-9a-df-np-sv-z]{32}$/, "not the 32 characters of Nix base 32 that begin a store path");
const hashList = z.array(hashPart).max(MAX_HASHES);

export const hashesBody = z.object({ hashes: hashList });

/** The same, and whether everything that they refer to is asked for as well. */
export const pathsBody = hashesBody.extend({ closure: z.boolean().default(false) });

/** Reads a body of JSON, whatever type it says it has. Throws BadRequestError, PayloadTooLargeError. */
export async function readBatch<T>(request: FastifyRequest, schema: z.ZodType<T>): Promise<T> {
  const text = await readText(bodyOf(request), MAX_BODY_BYTES);
  return readRequest(schema, parseJson(text));
}

/** Reads hash parts, one in a line. Throws BadRequestError, PayloadTooLargeError. */
export async function readHashLines(request: FastifyRequest): Promise<string[]> {
  const text = await readText(bodyOf(request), MAX_BODY_BYTES);
  const lines = text.split("\n").map((line) => line.trim());
  return readRequest(
    hashList,
    lines.filter((line) => line !== ""),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadRequestError('the body is no JSON: send {"hashes": [...]}', { cause });
  }
}
