import { z } from "zod";

/**
 * Schemas for `response` of answers that are not the JSON envelope. They only describe: what such a route sends is never serialized by them.
 */

/** A text; `text/plain` unless another type is given. */
export function textAnswer(description: string, contentType = "text/plain") {
  return { description, content: { [contentType]: { schema: z.string() } } };
}

/** Bytes of one content type, or of whatever type a stored file has. */
export function bytesAnswer(description: string, contentType = "application/octet-stream") {
  const bytes = z.string().meta({ format: "binary" });
  return { description, content: { [contentType]: { schema: bytes } } };
}

/** JSON without the envelope. */
export function bareJsonAnswer(description: string, schema: z.ZodType) {
  return { description, content: { "application/json": { schema } } };
}

/** Newline-delimited JSON; `line` is the schema of one line. */
export function ndjsonAnswer(description: string, line: z.ZodType) {
  return { description, content: { "application/x-ndjson": { schema: line } } };
}

/** No body: 204, or 101 of a route that speaks WebSocket. */
export function emptyAnswer(description: string) {
  return z.null().meta({ description });
}

/** No body and a `Location`. */
export function redirectAnswer(description: string) {
  const location = { type: "string", description: "Where to go." };
  return z.null().meta({ description, headers: { Location: location } });
}

/** 101 of a route that speaks WebSocket; say in the description what the frames are. */
export function webSocketAnswer(description: string) {
  return emptyAnswer(description);
}
