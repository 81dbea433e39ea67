import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import { MAX_FRAME_BYTES } from "./shared.ts";
import { toCoordinatorSchema, type ToCoordinator } from "./to-coordinator.ts";
import { toWorkerSchema, type ToWorker } from "./to-worker.ts";

/** A frame that is no JSON, is too large, or has not the shape of any message. */
export class FrameError extends ProtocolError {
  override name = "FrameError";
}

/** No message has a longer list. Told before the frame is compared with the schemas, which look at every element. */
const MAX_LIST_LENGTH = 10_000;
/** Lists stand at most so deep in a message. */
const LIST_DEPTH = 4;
/** What is wrong is told by the first faults. */
const MAX_ISSUES = 5;

function hasLongList(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  if (Array.isArray(value) && value.length > MAX_LIST_LENGTH) return true;
  return Object.values(value).some((inner) => hasLongList(inner, depth - 1));
}

function describeFaults({ issues }: z.ZodError): string {
  const rest = issues.length - MAX_ISSUES;
  const told = z.prettifyError({ issues: issues.slice(0, MAX_ISSUES) }).slice(0, 2000);
  return rest > 0 ? `${told}\nand ${rest} more` : told;
}

function decode<T>(schema: z.ZodType<T>, frame: string): T {
  if (frame.length > MAX_FRAME_BYTES) {
    throw new FrameError(
      "frame-too-large",
      `frame of ${frame.length} characters exceeds ${MAX_FRAME_BYTES}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch (cause) {
    throw new FrameError(
      "frame-not-json",
      "frame is not JSON; send one JSON object per text frame",
      { cause },
    );
  }
  if (hasLongList(value, LIST_DEPTH)) {
    throw new FrameError(
      "frame-malformed",
      `a list in the frame has more than ${MAX_LIST_LENGTH} elements; send several messages`,
    );
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new FrameError(
      "frame-malformed",
      `frame does not fit any message: ${describeFaults(parsed.error)}`,
      { cause: parsed.error },
    );
  }
  return parsed.data;
}

/** Parses a frame that a worker sent. Throws FrameError. */
export function decodeToCoordinator(frame: string): ToCoordinator {
  return decode(toCoordinatorSchema, frame);
}

/** Parses a frame that the coordinator sent. Throws FrameError. */
export function decodeToWorker(frame: string): ToWorker {
  return decode(toWorkerSchema, frame);
}

/** Prints a message as a text frame. */
export function encode(message: ToCoordinator | ToWorker): string {
  return JSON.stringify(message);
}
