import { ProtocolError } from "../errors.ts";

/** Text that is not the one canonical encoding of any bytes. The message never repeats the text: it may be a secret. */
export class EncodingError extends ProtocolError {
  override name = "EncodingError";

  constructor(message: string) {
    super("bad-encoding", message);
  }
}
