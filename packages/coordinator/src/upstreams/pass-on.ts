import { CoordinatorError } from "../errors.ts";

/** Where the bytes of a file go on to. False when nobody listens any more. */
export type Forward = (chunk: Buffer) => Promise<boolean>;

/**
 * Passes a file on while it is verified and kept: `keep` reads what the listener is sent. The last piece is held back until the verdict, so that nobody gets
 * the whole of a file that is not what was promised. When it is right but cannot be kept here (too large, something is missing), it is passed on all the same.
 * A listener who goes away does not end it. Throws what is wrong with the file, and what the source throws.
 */
export async function passOn(
  source: AsyncIterable<Buffer>,
  forward: Forward,
  keep: (bytes: AsyncIterable<Buffer>) => Promise<unknown>,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  let last: Buffer | null = null;
  let isHeard = true;
  const next = async (): Promise<Buffer | null> => {
    const { done, value } = await iterator.next();
    const before = last;
    last = done === true ? before : Buffer.from(value);
    if (done === true) return null;
    if (before !== null && isHeard) isHeard = await forward(before);
    return last;
  };
  async function* bytes(): AsyncGenerator<Buffer, void, undefined> {
    for (let chunk = await next(); chunk !== null; chunk = await next()) yield chunk;
  }
  try {
    await keep(bytes());
  } catch (error) {
    if (!(error instanceof CoordinatorError) || isAboutTheFile(error)) throw error;
    for (let chunk = await next(); chunk !== null && isHeard; chunk = await next());
  }
  if (last !== null && isHeard) await forward(last);
}

/** Codes of a file that is kept nowhere for other reasons than itself. */
const BYSTANDERS = new Set([
  "payload_too_large",
  "missing_reference",
  "already_exists",
  "cache_storage_full",
  "service_unavailable",
]);

function isAboutTheFile({ code }: CoordinatorError): boolean {
  return !BYSTANDERS.has(code);
}
