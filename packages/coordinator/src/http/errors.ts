import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { isRemovedMeanwhile } from "../db/removed-meanwhile.ts";
import { errnoOf, isDiskFull } from "../error-facts.ts";
import {
  BadRequestError,
  ConflictError,
  CoordinatorError,
  PayloadTooLargeError,
  RateLimitedError,
  UnavailableError,
  UnprocessableError,
} from "../errors.ts";
import type { ErrorEnvelope } from "./envelope.ts";
import { REQUEST_ID_HEADER } from "./request-ids.ts";

const MAX_MESSAGE_CHARACTERS = 2000;
/** Longer than every name, id, URL and store path that is worth to be read. */
const MAX_WORD_CHARACTERS = 300;
const LONG_WORDS = new RegExp(`\\S{${MAX_WORD_CHARACTERS + 1},}`, "g");

/** The envelope of a refusal. What a message quotes of the request is cut when it is long: nobody reads it, and it was sent by them. */
export function errorBody(error: Pick<CoordinatorError, "code" | "message">): ErrorEnvelope {
  const quotes = error.message.replaceAll(LONG_WORDS, (word) => cut(word, MAX_WORD_CHARACTERS));
  return { error: true, code: error.code, message: cut(quotes, MAX_MESSAGE_CHARACTERS) };
}

function cut(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const half = Math.floor(characters / 2);
  return `${text.slice(0, half)}...${text.slice(-half)}`;
}

/** Answer to everything that is a bug or a failure of ours; the cause is only logged. */
const INTERNAL_ERROR: ErrorEnvelope = {
  error: true,
  code: "internal",
  message: "internal error; the server's log tells why, under this answer's x-request-id",
};

const BROKEN_OFF = new BadRequestError("the body broke off");

/** The one place where an error becomes an answer. */
export function handleError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  // Hooks have not run when the path itself is at fault.
  reply.header(REQUEST_ID_HEADER, request.id);
  if (isBrokenOff(error, request)) {
    request.log.debug("a client went away within its request");
    return reply.code(BROKEN_OFF.status).send(errorBody(BROKEN_OFF));
  }
  if (isRemovedMeanwhile(error))
    request.log.warn({ err: error }, "a request's subject was removed meanwhile");
  if (isDiskFull(error)) request.log.error({ err: error }, "the disk is full");
  const known = toCoordinatorError(error);
  if (known !== null) {
    if (known instanceof RateLimitedError) reply.header("retry-after", known.retryAfterSeconds);
    if (known.status === 401) reply.header("www-authenticate", challengeFor(request.url));
    return reply.code(known.status).send(errorBody(known));
  }
  // Not the query: it may hold a token.
  const path = request.url.split("?", 1)[0];
  request.log.error({ err: error, method: request.method, path }, "request failed");
  return reply.code(500).send(INTERNAL_ERROR);
}

/** How to authenticate: Nix knows Basic only, and browsers would ask their user at an API's Basic. */
function challengeFor(url: string): string {
  return url.startsWith("/cache/") ? 'Basic realm="gradient"' : "Bearer";
}

/** What may be told of an error; null when it is ours. */
export function toCoordinatorError(error: unknown): CoordinatorError | null {
  if (error instanceof CoordinatorError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return fromValidation(error);
  if (isRemovedMeanwhile(error)) return removedMeanwhile(error);
  if (isDiskFull(error)) return new UnavailableError("the server's disk is full", { cause: error });
  if (!isFastifyError(error)) return null;
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new PayloadTooLargeError("the body is larger than this server takes", {
        cause: error,
      });
    case "FST_INVALID_MULTIPART_CONTENT_TYPE":
      return new CoordinatorError(
        "the body has to be sent as Content-Type: multipart/form-data",
        415,
        "unsupported_media_type",
        error,
      );
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new CoordinatorError(
        "the body has to be sent as Content-Type: application/json",
        415,
        "unsupported_media_type",
        error,
      );
    default:
      if (error.statusCode === 413)
        return new PayloadTooLargeError(error.message, { cause: error });
      return (error.statusCode ?? 500) < 500
        ? new BadRequestError(error.message, { cause: error })
        : null;
  }
}

/** A body of the wrong shape is 422, a wrong path or query 400. The message names the first field at fault. */
function fromValidation(error: {
  validation: { instancePath: string; message?: string | undefined }[];
  validationContext?: string | undefined;
}): CoordinatorError {
  const issue = error.validation[0];
  const field = issue?.instancePath.split("/").filter(Boolean).join(".");
  const reason = issue?.message ?? "wrong shape";
  const context = error.validationContext ?? "body";
  if (context === "body") {
    return new UnprocessableError(`${field ? `field "${field}"` : "body"}: ${reason}`);
  }
  const place = context === "params" ? "path" : "query";
  return new BadRequestError(`${place} parameter "${field}": ${reason}`);
}

function removedMeanwhile(cause: unknown): ConflictError {
  const message = "what the request is about was removed while it was under way";
  return new ConflictError(message, { cause });
}

/** Whether this is only what Node says of a body whose client went away before its end. */
function isBrokenOff(error: unknown, { raw }: FastifyRequest): boolean {
  return errnoOf(error) === "ECONNRESET" && raw.destroyed && !raw.complete;
}

function isFastifyError(error: unknown): error is FastifyError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("FST_")
  );
}
