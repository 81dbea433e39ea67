import type { Refusal } from "./thread-messages.ts";

/** A stored file, and the NAR in it. Hashes are 52 characters of Nix base 32. */
export interface StoredFile {
  readonly narHash: string;
  readonly fileHash: string;
  readonly fileSize: number;
}

/** To the thread that inspects stored files, one after the other. The buffer of a chunk is handed over. */
export type ToFileThread =
  | { readonly type: "begin"; readonly maxNarBytes: number }
  | { readonly type: "chunk"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "end" };

/** From the thread, once for each message. What is refused is not looked at any further. */
export type FromFileThread =
  | { readonly type: "taken" }
  | { readonly type: "inspected"; readonly file: StoredFile }
  | ({ readonly type: "refused" } & Refusal);
