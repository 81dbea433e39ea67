import type { FastifyRequest } from "fastify";

/** Whether the client says that it can read what is packed with gzip. */
export function acceptsGzip({ headers }: Pick<FastifyRequest, "headers">): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(headers["accept-encoding"] ?? "");
}
