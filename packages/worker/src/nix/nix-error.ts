import { WorkerError } from "../errors.ts";

/** Nix answered with an error. The message is Nix's own, without colour. */
export class NixError extends WorkerError {
  override name = "NixError";

  constructor(message: string, options: { isTransient?: boolean; cause?: unknown } = {}) {
    super("nix_error", message, options);
  }
}

/** The `nix-daemon --stdio` child is gone or does not answer; the next call gets a new one. */
export class DaemonLostError extends WorkerError {
  override name = "DaemonLostError";

  constructor(message: string, cause?: unknown) {
    super("nix_daemon_lost", message, { isTransient: true, cause });
  }
}

/** Something that the worker protocol does not allow at this place. The connection can not be used any more. */
export class DaemonProtocolError extends WorkerError {
  override name = "DaemonProtocolError";

  constructor(message: string) {
    super("nix_daemon_protocol", message);
  }
}
