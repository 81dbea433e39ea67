/** Base of every error this package throws. `code` is stable and meant for programs; `message` is for people. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
