import type { Socket } from "node:net";
import type { LaneRequest } from "./lane.ts";

/** Longer heads are Node's to read. */
const MAX_HEAD_BYTES = 4096;

const REQUEST_LINE = /^(GET|HEAD) (\/cache\/[!-~]+) HTTP\/1\.1$/;
const HEADER = /^([A-Za-z-]+): *([ -~]*)$/;

/** What clients of caches and the proxies before them send. Whatever else there is may say how the message is to be read, or mean what lanes do not know. */
const KNOWN_HEADERS: ReadonlySet<string> = new Set([
  "host",
  "user-agent",
  "accept",
  "accept-encoding",
  "authorization",
  "connection",
  "if-none-match",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "x-request-id",
]);

/**
 * Reads requests of one connection that are as plain as can be: GET or HEAD of something below `/cache/`, in one piece, with nothing behind its head and only headers that
 * are known. What is not is left to Node, which knows all of HTTP.
 */
export class PlainRequests {
  readonly #socket: Socket;
  /** The lines below the first one, which are the same for all requests of most clients. */
  #lines = "";
  #headers: Readonly<Record<string, string>> = {};

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** null for anything else. */
  read(piece: Buffer): LaneRequest | null {
    if (piece.length > MAX_HEAD_BYTES) return null;
    const text = piece.toString("latin1");
    const end = text.indexOf("\r\n");
    const [, method, url] = REQUEST_LINE.exec(text.slice(0, end)) ?? [];
    if (method === undefined || url === undefined) return null;
    const lines = text.slice(end);
    if (lines !== this.#lines) {
      const headers = readHeaders(lines);
      if (headers === null) return null;
      this.#lines = lines;
      this.#headers = headers;
    }
    return { method, url, headers: this.#headers, socket: this.#socket };
  }
}

/** From the end of the request line to the empty line, which is the end of the text. */
function readHeaders(text: string): Record<string, string> | null {
  if (!text.endsWith("\r\n\r\n")) return null;
  const headers: Record<string, string> = {};
  for (const line of text.slice(2, -4).split("\r\n")) {
    const [, name = "", value = ""] = HEADER.exec(line) ?? [];
    const key = name.toLowerCase();
    if (!KNOWN_HEADERS.has(key) || key in headers) return null;
    headers[key] = value.trimEnd();
  }
  const stays = (headers["connection"] ?? "keep-alive").toLowerCase() === "keep-alive";
  return headers["host"] !== undefined && stays ? headers : null;
}
