/** What it takes to read a NAR, without the messages and their schemas: threads that do nothing else start in a fifth of the time. */
export { encodeNix32 } from "./nix/base32.ts";
export { NarError } from "./nix/nar/nar-error.ts";
export { NarReader } from "./nix/nar/reader.ts";
export { ReferenceScanner } from "./nix/nar/references.ts";
