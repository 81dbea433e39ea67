import { createHash } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";

/** Counts and hashes bytes on their way. */
export class Measure {
  bytes = 0;
  readonly #hash = createHash("sha256");

  add(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.#hash.update(chunk);
  }

  /** 52 characters of Nix base 32. To be called once, at the end. */
  hash(): string {
    return encodeNix32(this.#hash.digest());
  }
}
