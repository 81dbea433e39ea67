import type { FastifyReply } from "fastify";
import { sendPackedLog } from "../../../logs/send-log.ts";

/** Logs are shown by browsers at an address of ours: as text, and as nothing else. */
const HEADERS = {
  "content-type": "text/plain;charset=utf-8",
  "content-disposition": "inline",
  "content-security-policy": "default-src 'none'; sandbox",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
} as const;

/** Answers with a log as it is read; packed with gzip where the client says that it can read that. */
export function sendLog(
  reply: FastifyReply,
  texts: AsyncGenerator<string, void, undefined>,
): Promise<FastifyReply> {
  return sendPackedLog(reply, HEADERS, texts);
}
