import { Readable } from "node:stream";
import type { NarEntry } from "@gradient/protocol";
import type { FastifyReply } from "fastify";
import type { BuildProduct } from "../artefacts/build-products.ts";
import { NotFoundError } from "../errors.ts";
import { bytesAnswer, emptyAnswer } from "./answer-schemas.ts";
import { errorEnvelope } from "./envelope.ts";
import { openInside } from "../nar-contents/follow-links.ts";
import { packDirectory } from "../nar-contents/pack-directory.ts";
import type { NarStore } from "../ports.ts";
import { parseRange } from "./routes/cache/byte-range.ts";

/** For `response` of routes that answer with a product. */
export const productAnswers = {
  200: bytesAnswer("The file, or a directory as a tar archive compressed with zstd."),
  206: bytesAnswer("The part of the file that the request's Range asks for."),
  401: errorEnvelope,
  416: emptyAnswer("The file does not have the part that is asked for."),
};

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  htm: "text/html; charset=utf-8",
  tar: "application/x-tar",
  gz: "application/gzip",
  zst: "application/zstd",
  txt: "text/plain; charset=utf-8",
  json: "application/json",
  zip: "application/zip",
};

/** What a build made is shown at an address of ours: it gets no scripts, no requests and no part of our origin. */
const GUARDS = {
  "x-content-type-options": "nosniff",
  "content-security-policy":
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:",
  "referrer-policy": "no-referrer",
  "cache-control": "private, no-cache",
} as const;

export interface ProductOptions {
  /** In place of `private, no-cache`. */
  readonly cacheControl?: string;
  /** Pages, too, are saved and not shown. */
  readonly isAttachment?: true;
}

/** Answers with a product's bytes as they come out of its NAR. Throws NotFoundError when it does not lie where its output says. */
export async function sendProduct(
  reply: FastifyReply,
  nars: NarStore,
  named: BuildProduct,
  { cacheControl, isAttachment }: ProductOptions = {},
): Promise<FastifyReply> {
  const product = isAttachment === true ? { ...named, subtype: "" } : named;
  const entry = await openInside(nars, product.place, product.place.names);
  if (entry === null) {
    throw new NotFoundError(`${product.path} is named as a product and does not exist`);
  }
  reply.headers(GUARDS);
  if (cacheControl !== undefined) reply.header("cache-control", cacheControl);
  const body =
    entry.type === "directory" ? archive(reply, product, entry) : file(reply, product, entry);
  // The archive or file is closed however the answer ends, also one that never began.
  body.once("close", () => void entry[Symbol.asyncDispose]());
  if (reply.request.method !== "HEAD") return reply.send(body);
  body.destroy();
  // Not without a body: the length would be said to be 0.
  return reply.send(Readable.from([]));
}

function archive(
  reply: FastifyReply,
  { name }: BuildProduct,
  entry: Extract<NarEntry, { type: "directory" }>,
): Readable {
  reply.headers({
    "content-type": "application/zstd",
    "content-disposition": disposition("attachment", `${name}.tar.zst`),
  });
  return packDirectory(name, entry.parts);
}

function file(
  reply: FastifyReply,
  { name, subtype, place }: BuildProduct,
  entry: Extract<NarEntry, { type: "regular" }>,
): Readable {
  const { size, offset } = entry.file;
  const etag = `"${place.narHash}-${offset}"`;
  const { range: header, "if-range": condition } = reply.request.headers;
  const range = condition === undefined || condition === etag ? parseRange(header, size) : null;
  const extension = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  reply.headers({
    "content-type": CONTENT_TYPES[extension] ?? "application/octet-stream",
    "content-disposition": disposition(subtype === "html" ? "inline" : "attachment", name),
    "accept-ranges": "bytes",
    etag,
  });
  if (range === "unsatisfiable") {
    reply.code(416).headers({ "content-range": `bytes */${size}`, "content-length": 0 });
    return Readable.from([]);
  }
  const { start, end } = range ?? { start: 0, end: size };
  if (range !== null) {
    reply.code(206).header("content-range", `bytes ${start}-${end - 1}/${size}`);
  }
  reply.header("content-length", end - start);
  return Readable.from(part(entry.contents, start, end), { objectMode: false });
}

/** The bytes from `start` to before `end`; each piece is the reader's to keep. */
async function* part(
  contents: AsyncIterable<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<Buffer, void, undefined> {
  let at = 0;
  if (start === end) return;
  for await (const bytes of contents) {
    const from = Math.max(0, start - at);
    const wanted = bytes.subarray(from, end - at);
    at += bytes.length;
    if (wanted.length > 0) yield Buffer.from(wanted);
    if (at >= end) return;
  }
  if (at < end) throw new Error(`a file in a NAR ends at ${at}, before ${end}`);
}

/** Names are given twice: in ASCII for old clients, and whole (RFC 6266). */
function disposition(kind: "attachment" | "inline", filename: string): string {
  const ascii = filename.replaceAll(/[^ -~]|["\\%]/g, "_");
  const encoded = encodeURIComponent(filename).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const whole = ascii === filename ? "" : `; filename*=UTF-8''${encoded}`;
  return `${kind}; filename="${ascii}"${whole}`;
}
