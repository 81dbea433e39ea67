import { isUtf8 } from "node:buffer";
import { BadRequestError } from "../../errors.ts";
import type { Api } from "../api.ts";

/** Bodies are JSON or absent; an empty one counts as absent, whatever its content type. */
export function addJsonBodies(api: Api): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    try {
      done(null, parseJson(typeof body === "string" ? Buffer.from(body) : body));
    } catch (cause) {
      const reason = cause instanceof UnusableTextError ? cause.message : "the body is not JSON";
      done(new BadRequestError(reason, { code: "json_parsing", cause }));
    }
  });
}

class UnusableTextError extends Error {
  override name = "UnusableTextError";
}

/** Escapes that JSON allows for what is no text: NUL, and halves of surrogate pairs. */
const SUSPICIOUS_ESCAPE = /\\u(?:0000|d[89a-f])/i;

/** Throws UnusableTextError for text that the database and Nix would keep as another one. */
function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new UnusableTextError("the body is not UTF-8");
  const text = body.toString("utf8");
  if (!SUSPICIOUS_ESCAPE.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => {
    checkText(key);
    if (typeof value === "string") checkText(value);
    return value;
  });
}

function checkText(text: string): void {
  if (text.includes("\0")) throw new UnusableTextError("the body has a text with a NUL character");
  // A lone surrogate is the only character of this class in well-formed or ill-formed UTF-16.
  if (/\p{Surrogate}/u.test(text)) {
    throw new UnusableTextError("the body has a text with half of a surrogate pair");
  }
}
