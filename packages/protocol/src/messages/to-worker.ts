import { z } from "zod";
import { assignmentIdSchema, fencingSchema, organizationIdSchema } from "../ids.ts";
import { assignmentReference, assignmentSpecSchema, gitCredentialsSchema } from "./shared.ts";

/** Asks for tokens of these peers. Comes after `hello`, and again whenever registrations of the worker change. */
export const challengeSchema = z.object({
  type: z.literal("challenge"),
  nonce: z.string(),
  peers: z.array(organizationIdSchema),
});

/** Ends the handshake, and every later challenge. */
export const welcomeSchema = z.object({
  type: z.literal("welcome"),
  version: z.int().positive(),
  features: z.array(z.string()),
  /** Rises with every authenticated connection of the worker; the newest connection wins. */
  epoch: z.int().positive(),
  /** Bearer token for bulk transfers over HTTP; lives as long as the session. */
  transferToken: z.string(),
  /** Organizations whose jobs the worker may get. Never empty. */
  authorized: z.array(organizationIdSchema),
  failed: z.array(z.object({ peer: organizationIdSchema, reason: z.string() })),
  /** What to do with each assignment that `hello` listed. */
  reconcile: z.array(
    z.object({
      assignment: assignmentIdSchema,
      fencing: fencingSchema,
      action: z.enum(["keep", "cancel", "send", "drop"]),
    }),
  ),
});
export type Welcome = z.infer<typeof welcomeSchema>;

/** Why the coordinator closes a connection. The connection is closed after this message. */
export const rejectSchema = z.object({
  type: z.literal("reject"),
  code: z.enum([
    "malformed",
    "version",
    "unauthorized",
    "unknown-worker",
    "key-changed",
    "superseded",
    "timeout",
  ]),
  reason: z.string(),
});
export type Reject = z.infer<typeof rejectSchema>;

/** One assignment. The worker answers with accept or decline. */
export const offerSchema = z.object({
  type: z.literal("offer"),
  ...assignmentReference,
  organization: organizationIdSchema,
  leaseMs: z.int().positive(),
  spec: assignmentSpecSchema,
  /**
   * A build that the worker runs, and that makes the one input that is not there yet. The worker accepts when that one is built, and forgets the offer when it comes to
   * another end. Only for a worker that named `offer-ahead`.
   */
  after: assignmentIdSchema.optional(),
});
export type Offer = z.infer<typeof offerSchema>;

/** The result was handled for good: the worker may forget it. `accepted` is false for a result whose lease was lost. */
export const ackSchema = z.object({
  type: z.literal("ack"),
  ...assignmentReference,
  accepted: z.boolean(),
  reason: z.string().nullable(),
});

/** All bytes of the log before `offset` are stored. The worker keeps at most a window of unacknowledged bytes in flight. */
export const logAckSchema = z.object({
  type: z.literal("log-ack"),
  ...assignmentReference,
  offset: z.int().nonnegative(),
});

export const evalAckSchema = z.object({
  type: z.literal("eval-ack"),
  ...assignmentReference,
  sequence: z.int().nonnegative(),
});

export const cancelSchema = z.object({
  type: z.literal("cancel"),
  ...assignmentReference,
  reason: z.string(),
});

/** Leases that were renewed, with what is left of each. */
export const leasesSchema = z.object({
  type: z.literal("leases"),
  leases: z.array(z.object({ ...assignmentReference, remainingMs: z.int().nonnegative() })),
});

/**
 * Asks which commit a reference is now. No assignment: it is answered at once with `head`, holds no slot, and is forgotten by both sides with the
 * connection. Only for a worker that named `resolve-head`.
 */
export const resolveHeadSchema = z.object({
  type: z.literal("resolve-head"),
  /** Named by the answer. */
  question: z.uuid(),
  organization: organizationIdSchema,
  repository: z.string(),
  /** A full reference (`refs/heads/main`); null is the remote's HEAD. */
  reference: z.string().nullable(),
  credentials: gitCredentialsSchema.nullable(),
});
export type ResolveHead = z.infer<typeof resolveHeadSchema>;

/** A frame of the worker was refused; the connection goes on. */
export const refusedSchema = z.object({ type: z.literal("refused"), reason: z.string() });

export const toWorkerSchema = z.discriminatedUnion("type", [
  challengeSchema,
  welcomeSchema,
  rejectSchema,
  offerSchema,
  ackSchema,
  logAckSchema,
  evalAckSchema,
  cancelSchema,
  leasesSchema,
  resolveHeadSchema,
  refusedSchema,
]);
export type ToWorker = z.infer<typeof toWorkerSchema>;
