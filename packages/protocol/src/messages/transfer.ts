import { z } from "zod";
import { pathFactsSchema } from "./shared.ts";

/** Bodies of the HTTP transfers that go next to the worker's socket. Paths are full store paths. */

export const narReceiptSchema = z.object({
  narHash: z.string(),
  narSize: z.int().positive(),
  fileHash: z.string(),
  fileSize: z.int().positive(),
});
export type NarReceipt = z.infer<typeof narReceiptSchema>;

export const publishPathsSchema = z.object({ paths: z.array(pathFactsSchema).max(1000) });

export const pathListSchema = z.object({ paths: z.array(z.string()).max(10_000) });

/** Every path of the closure that a cache of the organization holds, references first, and the ones that none holds. */
export const closureSchema = z.object({
  paths: z.array(pathFactsSchema),
  missing: z.array(z.string()),
});
export type Closure = z.infer<typeof closureSchema>;

/** NAR hashes, `sha256:` and 52 characters of Nix base 32. */
export const narHashListSchema = z.object({ narHashes: z.array(z.string()).max(10_000) });

/** Those of the asked NARs that need not be uploaded for the assignment's organization. */
export const heldNarsSchema = z.object({
  held: z.array(z.string()),
  /** NARs from this size on may be put into the coordinator's object store (upload ticket). Where it is left out, none may. */
  directFromBytes: z.int().positive().optional(),
});
export type HeldNars = z.infer<typeof heldNarsSchema>;

/**
 * Answers `POST /proto/nar/NARHASH/ticket?fileSize=N`. `PUT` the NAR to the address, compressed with zstd, N bytes, with `If-None-Match: *` and
 * without the token, and then ask for `POST /proto/nar/NARHASH/staged?size=NARSIZE`: a receipt when it was taken, 202 while it is looked at (ask again), 409
 * when it is not there.
 */
export const uploadTicketSchema = z.object({
  /** Nobody else may see it. Null: this one goes through the coordinator. */
  url: z.string().nullable(),
});
export type UploadTicket = z.infer<typeof uploadTicketSchema>;

/** How many NARs of a bundle are there now, also those that were there before: all, or the bundle is refused. */
export const acceptedNarsSchema = z.object({ accepted: z.int().nonnegative() });

/**
 * In the answer to `HEAD` of a NAR that is not there: so many compressed bytes of an upload that broke off are kept.
 * A `PUT` with `offset` goes on behind them.
 */
export const STAGED_BYTES_HEADER = "x-gradient-staged-bytes";

export const drvPathListSchema = z.object({ drvPaths: z.array(z.string()).max(10_000) });
export const unknownDerivationsSchema = z.object({ unknown: z.array(z.string()) });
export const acceptedDerivationsSchema = z.object({ accepted: z.int().nonnegative() });

/** Every refusal of a transfer. `error` is one sentence that says what to do. */
export const transferErrorSchema = z.object({ code: z.string(), error: z.string() });
