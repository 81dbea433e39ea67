import {
  ERROR,
  NEXT,
  RESULT,
  START_ACTIVITY,
  STOP_ACTIVITY,
  STRUCTURED_ERRORS_MINOR,
} from "../daemon/frames.ts";
import { RequestReader } from "./request-reader.ts";

/** Finds the end of what Nix answers to a request to build something, which tells of the builds before. */
export class BuildAnswer {
  readonly #minor: number;
  readonly #onEnd: (error: Buffer | null) => void;
  /** What has come and is no whole frame. */
  #rest: Buffer = Buffer.alloc(0);
  #hasEnded = false;

  /** `onEnd` is called once, with the frame of an error when it is one. */
  constructor(minor: number, onEnd: (error: Buffer | null) => void) {
    this.#minor = minor;
    this.#onEnd = onEnd;
  }

  take(bytes: Buffer): void {
    if (this.#hasEnded) return;
    const answer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const reader = new RequestReader(answer);
    for (;;) {
      const { at } = reader;
      const kind = BigInt(reader.number());
      const isLast = !reader.isShort && !skipFrame(reader, kind, this.#minor);
      if (reader.isShort) {
        this.#rest = answer.subarray(at);
        return;
      }
      if (isLast) return this.end(kind === ERROR ? answer.subarray(at, reader.at) : null);
    }
  }

  /** Nothing more comes. */
  end(error: Buffer | null = null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd(error);
  }
}

/** False for a frame that is the last one, or not known. */
function skipFrame(reader: RequestReader, kind: bigint, minor: number): boolean {
  switch (kind) {
    case NEXT:
      reader.string();
      return true;
    case START_ACTIVITY:
      for (const _ of ["id", "level", "type"]) reader.number();
      reader.string();
      skipFields(reader);
      reader.number(); // parent
      return true;
    case STOP_ACTIVITY:
      reader.number();
      return true;
    case RESULT:
      for (const _ of ["id", "type"]) reader.number();
      skipFields(reader);
      return true;
    case ERROR:
      skipError(reader, minor);
      return false;
    default:
      return false;
  }
}

function skipFields(reader: RequestReader): void {
  for (let left = reader.number(); left > 0 && !reader.isShort; left -= 1) {
    if (reader.number() === 0) reader.number();
    else reader.string();
  }
}

function skipError(reader: RequestReader, minor: number): void {
  if (minor < STRUCTURED_ERRORS_MINOR) {
    reader.string();
    reader.number(); // exit code
    return;
  }
  reader.string(); // always "Error"
  reader.number(); // level
  reader.string(); // class of the error, obsolete
  reader.string();
  reader.number(); // position, never sent
  for (let left = reader.number(); left > 0 && !reader.isShort; left -= 1) {
    reader.number();
    reader.string();
  }
}
