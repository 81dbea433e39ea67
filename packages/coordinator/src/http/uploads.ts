import multipart, { type MultipartFile, type MultipartValue } from "@fastify/multipart";
import { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { messageOf } from "../error-facts.ts";
import { BadRequestError, CoordinatorError, PayloadTooLargeError } from "../errors.ts";
import type { UploadPart } from "../sources/upload-part.ts";
import type { Api } from "./api.ts";

/** What a multipart body may have; more is refused. */
export interface UploadLimits {
  /** Bytes of all files together, and of the body as far as the request says its length. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

const MAX_FIELDS = 10;
const MAX_FIELD_BYTES = 64 * 1024;

/** Declares routes whose bodies are `multipart/form-data`, to be read with `uploadParts`. */
export function takingMultipart(api: Api, declare: (scope: Api) => void): void {
  void api.register(async (scope) => {
    await scope.register(multipart, { preservePath: true });
    declare(scope.withTypeProvider<ZodTypeProvider>());
  });
}

/** Declares routes whose bodies are `application/octet-stream`: `request.body` is a stream and bounded by nobody but its reader. */
export function takingBytes(api: Api, declare: (scope: Api) => void): void {
  void api.register(async (scope) => {
    scope.addContentTypeParser("application/octet-stream", (_request, payload, done) =>
      done(null, payload),
    );
    declare(scope.withTypeProvider<ZodTypeProvider>());
  });
}

/**
 * The parts of a multipart body as they come; nothing is collected but fields. When the reader stops early, or the body is refused, the rest
 * is read and dropped while the answer is sent: a client that still sends would see a broken connection instead.
 * Throws PayloadTooLargeError, and BadRequestError for a body that is no multipart or ends too early.
 */
export async function* uploadParts(
  request: FastifyRequest,
  limits: UploadLimits,
): AsyncGenerator<UploadPart, void, undefined> {
  refuseLargeBody(request, limits.maxBytes);
  if (!request.isMultipart()) {
    throw new CoordinatorError(
      "the body has to be sent as Content-Type: multipart/form-data",
      415,
      "unsupported_media_type",
    );
  }
  const budget = { left: limits.maxBytes, max: limits.maxBytes };
  const parts = request.parts({
    limits: {
      files: limits.maxFiles,
      parts: limits.maxFiles + MAX_FIELDS,
      fields: MAX_FIELDS,
      fieldSize: MAX_FIELD_BYTES,
      fileSize: limits.maxBytes + 1,
    },
  });
  let isComplete = false;
  try {
    for await (const part of parts) yield* partOf(part, budget);
    isComplete = true;
  } catch (error) {
    throw refusalOf(error);
  } finally {
    if (!isComplete) {
      request.raw.unpipe();
      request.raw.resume();
    }
  }
}

/** Throws PayloadTooLargeError when the request says that its body is longer. */
function refuseLargeBody(request: FastifyRequest, maxBytes: number): void {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

interface Budget {
  left: number;
  readonly max: number;
}

async function* partOf(
  part: MultipartFile | MultipartValue,
  budget: Budget,
): AsyncGenerator<UploadPart, void, undefined> {
  if (part.type === "field") {
    if (part.valueTruncated || part.fieldnameTruncated) {
      throw new PayloadTooLargeError(
        `field "${part.fieldname}" is longer than ${MAX_FIELD_BYTES} bytes`,
      );
    }
    yield { kind: "field", name: part.fieldname, value: String(part.value) };
    return;
  }
  const { file, fieldname, filename } = part;
  try {
    yield {
      kind: "file",
      name: fieldname,
      filename: filename ?? "",
      contents: spend(file, budget),
    };
  } finally {
    file.resume();
  }
}

async function* spend(
  file: AsyncIterable<Uint8Array>,
  budget: Budget,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of file) {
      budget.left -= chunk.length;
      if (budget.left < 0) throw tooLarge(budget.max);
      yield chunk;
    }
  } catch (error) {
    throw refusalOf(error);
  }
}

function tooLarge(maxBytes: number): PayloadTooLargeError {
  return new PayloadTooLargeError(`the body is larger than ${maxBytes} bytes`);
}

/** Everything that goes wrong while a body is taken apart is its sender's fault: the library's own errors say what, and have no class. */
function refusalOf(error: unknown): CoordinatorError {
  if (error instanceof CoordinatorError) return error;
  if (error instanceof Error && "statusCode" in error && error.statusCode === 413) {
    return new PayloadTooLargeError("the body has more parts than this takes", { cause: error });
  }
  return new BadRequestError(`the body cannot be read: ${messageOf(error)}`, { cause: error });
}

/**
 * The body of a route that takes bytes, as it comes. Throws PayloadTooLargeError when it is longer, and BadRequestError when there is none or it
 * breaks off.
 */
export async function* bodyBytes(
  request: FastifyRequest,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  refuseLargeBody(request, maxBytes);
  const { body } = request;
  if (!(body instanceof Readable)) {
    throw new BadRequestError(
      "send the bytes as the body, as Content-Type: application/octet-stream",
    );
  }
  const budget = { left: maxBytes, max: maxBytes };
  yield* spend(body, budget);
}
