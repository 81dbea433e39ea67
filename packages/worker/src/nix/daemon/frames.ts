import { stripVTControlCharacters } from "node:util";
import { NO_ROOM } from "../../error-facts.ts";
import { DaemonProtocolError, NixError } from "../nix-error.ts";
import type { ByteReader } from "./byte-reader.ts";

/** Frames that come between a request and its answer (worker protocol, `STDERR_*`). */
export const NEXT = 0x6f6c6d67n;
export const LAST = 0x616c7473n;
export const ERROR = 0x63787470n;
export const START_ACTIVITY = 0x53545254n;
export const STOP_ACTIVITY = 0x53544f50n;
export const RESULT = 0x52534c54n;

export type Field = string | bigint;

export interface Activity {
  id: bigint;
  /** 105 is the build of one derivation, with the .drv path as first field. */
  type: number;
  text: string;
  fields: Field[];
}

export interface ActivityResult {
  id: bigint;
  /** 101 is a line of a build's log, 104 the start of a phase. */
  type: number;
  fields: Field[];
}

/** Who wants to know what happens while a request is worked on. */
export interface FrameListener {
  onMessage?(text: string): void;
  onStart?(activity: Activity): void;
  onStop?(id: bigint): void;
  onResult?(result: ActivityResult): void;
  /** Everything that had arrived is handled, and more is waited for. */
  onIdle?(): void;
}

/** Before this minor version of the protocol an error is a text and an exit code. */
export const STRUCTURED_ERRORS_MINOR = 26;

/** Reads frames until the request is done. Rejects with a NixError when the daemon answers with one. */
export async function readFrames(
  reader: ByteReader,
  listener: FrameListener,
  minor: number,
): Promise<void> {
  for (;;) {
    if (!reader.has(8)) listener.onIdle?.();
    const kind = await reader.bigint();
    switch (kind) {
      case LAST:
        return;
      case NEXT: {
        // Read before the optional call: its arguments are not evaluated when nobody listens.
        const text = await reader.string();
        listener.onMessage?.(text);
        break;
      }
      case ERROR:
        throw await (minor < STRUCTURED_ERRORS_MINOR ? readPlainError : readError)(reader);
      case START_ACTIVITY:
        await readStart(reader, listener);
        break;
      case STOP_ACTIVITY: {
        const id = await reader.bigint();
        listener.onStop?.(id);
        break;
      }
      case RESULT: {
        const id = await reader.bigint();
        const type = await reader.number();
        const fields = await readFields(reader);
        listener.onResult?.({ id, type, fields });
        break;
      }
      default:
        throw new DaemonProtocolError(`nix-daemon sent the unknown frame 0x${kind.toString(16)}`);
    }
  }
}

async function readStart(reader: ByteReader, listener: FrameListener): Promise<void> {
  const id = await reader.bigint();
  await reader.number(); // level
  const type = await reader.number();
  const text = await reader.string();
  const fields = await readFields(reader);
  await reader.bigint(); // parent
  listener.onStart?.({ id, type, text, fields });
}

async function readFields(reader: ByteReader): Promise<Field[]> {
  const count = await reader.number();
  const fields: Field[] = [];
  for (let index = 0; index < count; index += 1) {
    const kind = await reader.number();
    if (kind > 1) throw new DaemonProtocolError(`nix-daemon sent a field of unknown kind ${kind}`);
    fields.push(kind === 0 ? await reader.bigint() : await reader.string());
  }
  return fields;
}

async function readPlainError(reader: ByteReader): Promise<NixError> {
  const message = await reader.string();
  await reader.number(); // exit code
  return errorOf(message);
}

async function readError(reader: ByteReader): Promise<NixError> {
  await reader.string(); // always "Error"
  await reader.number(); // level
  await reader.string(); // class of the error, obsolete
  const message = await reader.string();
  await reader.number(); // position, never sent
  const traces = await reader.number();
  for (let index = 0; index < traces; index += 1) {
    await reader.number();
    await reader.string();
  }
  return errorOf(message);
}

/** A store without room may have some later, and another machine's has. */
function errorOf(message: string): NixError {
  return new NixError(cleanMessage(message), { isTransient: NO_ROOM.test(message) });
}

/** Nix's words without colour, its `error:` prefix and surrounding space. */
export function cleanMessage(message: string): string {
  return stripVTControlCharacters(message)
    .trim()
    .replace(/^error:\s*/, "");
}
