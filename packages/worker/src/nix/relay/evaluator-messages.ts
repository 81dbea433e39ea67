import {
  ERROR,
  LAST,
  START_ACTIVITY,
  STOP_ACTIVITY,
  STRUCTURED_ERRORS_MINOR,
} from "../daemon/frames.ts";
import { QUERY_VALID_PATHS } from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";
import { RequestReader } from "./request-reader.ts";

/** Larger texts that come in frames are passed on while they come, as is the content of what is no text. */
const MAX_TEXT_BYTES = 1024 * 1024;

type Field = "number" | "string" | "strings";

/** What the other requests that an evaluator makes are made of. */
const FIELDS: ReadonlyMap<number, readonly Field[]> = new Map([
  [6, ["string"]], // QueryReferrers
  [10, ["string"]], // EnsurePath
  [29, ["string"]], // QueryPathFromHashPart
  [QUERY_VALID_PATHS, ["strings", "number"]],
  [32, ["strings"]], // QuerySubstitutablePaths
  [33, ["string"]], // QueryValidDerivers
  [38, ["string"]], // NarFromPath
  [40, ["strings"]], // QueryMissing
  [41, ["string"]], // QueryDerivationOutputMap
  [43, ["string"]], // QueryRealisation
]);

/** Since this minor version whoever asks for valid paths says whether others may be fetched. */
const VALID_PATHS_SUBSTITUTE_MINOR = 27;

/** undefined for a request that is not known. */
export function fieldsOf(operation: number, minor: number): readonly Field[] | undefined {
  const isShorter = operation === QUERY_VALID_PATHS && minor < VALID_PATHS_SUBSTITUTE_MINOR;
  return isShorter ? ["strings"] : FIELDS.get(operation);
}

/** The content that follows a request; null when it is large. */
export function readContent(reader: RequestReader): Buffer | "more" | null {
  const frames: Buffer[] = [];
  for (const begin = reader.at; reader.at - begin <= MAX_TEXT_BYTES;) {
    const frame = reader.frame();
    if (reader.isShort) return "more";
    if (frame.length === 0) return Buffer.concat(frames);
    frames.push(frame);
  }
  return null;
}

/** Whether the answer to a question for the facts of a path names references; null while that has not come. */
export function readHasReferences(answer: Buffer): boolean | null {
  const reader = new RequestReader(answer);
  const frame = reader.number();
  if (reader.isShort) return null;
  // It tells something else before, or an error: rarely, and so it is not looked for the end of that.
  if (BigInt(frame) !== LAST) return true;
  if (reader.number() === 0) return reader.isShort ? null : false;
  reader.string(); // deriver
  reader.string(); // hash of the NAR
  const references = reader.number();
  return reader.isShort ? null : references > 0;
}

/** No activity of a process has this number. */
const WAITING_ID = 1;
const LEVEL_WARNING = 1;
const ACTIVITY_BUILD_WAITING = 111;

/** Whoever asked waits for a build of another one. */
export function startWaiting(): Request {
  const text = "waiting for a build of another evaluator";
  return new Request()
    .number(START_ACTIVITY)
    .number(WAITING_ID)
    .number(LEVEL_WARNING)
    .number(ACTIVITY_BUILD_WAITING)
    .string(text)
    .number(0) // fields
    .number(0); // parent
}

export function stopWaiting(): Request {
  return new Request().number(STOP_ACTIVITY).number(WAITING_ID);
}

/** An error without a position or traces. */
export function errorFrame(message: string, minor: number): Request {
  const frame = new Request().number(ERROR);
  if (minor < STRUCTURED_ERRORS_MINOR) return frame.string(message).number(1);
  return frame
    .string("Error")
    .number(0) // level: error
    .string("Error")
    .string(message)
    .number(0)
    .number(0);
}
