import { ProtocolError } from "../../errors.ts";

export type NarErrorCode =
  | "bad-nar"
  | "bad-name"
  | "bad-order"
  | "too-deep"
  | "too-large"
  | "truncated"
  | "trailing-data"
  | "unsupported-file"
  | "changed-file";

/** Why a NAR is refused, or a file cannot become a part of one. */
export class NarError extends ProtocolError {
  override name = "NarError";
  /** Bytes of the NAR before the fault; null when the fault lies in a file on disk. */
  readonly offset: number | null;
  /** Path inside the archive, or of the file on disk; names that are not UTF-8 are shown with replacement characters. */
  readonly entryPath: string;

  constructor(
    code: NarErrorCode,
    message: string,
    entryPath: string,
    offset: number | null = null,
  ) {
    super(code, message);
    this.entryPath = entryPath;
    this.offset = offset;
  }
}
