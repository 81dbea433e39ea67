import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import { MAX_FRAME_BYTES } from "./shared.ts";
import { toCoordinatorSchema, type ToCoordinator } from "./to-coordinator.ts";
import { toWorkerSchema, type ToWorker } from "./to-worker.ts";

/** A frame that is no JSON, is too large, or has not the shape of any message. */
export class FrameError extends ProtocolError {
  override name = "FrameError";
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
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new FrameError(
      "frame-malformed",
      `frame does not fit any message: ${z.prettifyError(parsed.error)}`,
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
