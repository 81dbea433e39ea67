import { z } from "zod";
import { assignmentIdSchema, fencingSchema, organizationIdSchema, workerIdSchema } from "../ids.ts";
import { evaluatedJobSchema, evaluationMessageSchema } from "./evaluated.ts";
import {
  assignmentReference,
  assignmentResultSchema,
  capabilitiesSchema,
  failureSchema,
  phaseSchema,
} from "./shared.ts";

/** First message of a connection. */
export const helloSchema = z.object({
  type: z.literal("hello"),
  versions: z.object({ min: z.int().positive(), max: z.int().positive() }),
  features: z.array(z.string()),
  worker: workerIdSchema,
  /** Release of the worker, for people. */
  release: z.string(),
  /** `name:base64`, the public half of the worker's signing key. */
  publicKey: z.string(),
  capabilities: capabilitiesSchema,
  systems: z.array(z.string()),
  systemFeatures: z.array(z.string()),
  maxConcurrentBuilds: z.int().nonnegative(),
  cores: z.int().positive(),
  memoryBytes: z.int().positive(),
  nixVersion: z.string(),
  isDraining: z.boolean(),
  /** What the worker still runs, and the results it holds that nobody has acknowledged. */
  assignments: z.array(
    z.object({
      assignment: assignmentIdSchema,
      fencing: fencingSchema,
      state: z.enum(["running", "finished"]),
    }),
  ),
});
export type Hello = z.infer<typeof helloSchema>;

/** Answer to a challenge: a token for each peer that the worker has one for. */
export const authSchema = z.object({
  type: z.literal("auth"),
  /** The challenge that this answers. */
  nonce: z.string(),
  tokens: z.array(z.object({ peer: organizationIdSchema, token: z.string() })),
});

export const acceptSchema = z.object({
  type: z.literal("accept"),
  ...assignmentReference,
  /** Of an offer ahead: the build that it came `after` is built, as by its phase `uploading`, which is not told apart. */
  built: z.object(assignmentReference).optional(),
});
export const declineSchema = z.object({
  type: z.literal("decline"),
  ...assignmentReference,
  reason: z.string(),
});
export const progressSchema = z.object({
  type: z.literal("progress"),
  ...assignmentReference,
  phase: phaseSchema,
  /** Milliseconds since the epoch by the worker's clock. */
  at: z.int(),
});

/** What builds have used until now. Only for a coordinator that named `live-usage`; the result has the whole record. */
export const usageSchema = z.object({
  type: z.literal("usage"),
  builds: z
    .array(
      z.object({
        ...assignmentReference,
        /** User and system time together, milliseconds. null: unknown, as below. */
        cpuMs: z.number().nonnegative().nullable(),
        memoryPeakBytes: z.int().nonnegative().nullable(),
        storagePeakBytes: z.int().nonnegative().nullable(),
      }),
    )
    .max(1000),
});
export type UsageReport = z.infer<typeof usageSchema>;

/** A coordinator stores no more of one log. Workers leave out the middle of a longer one themselves. */
export const MAX_LOG_BYTES = 65 * 1024 * 1024;

/** A piece of a build's log. `offset` counts bytes of UTF-8 from the start of the log, so sending twice is harmless. */
export const logSchema = z.object({
  type: z.literal("log"),
  ...assignmentReference,
  offset: z.int().nonnegative(),
  text: z.string(),
});

/** Attributes as they come out of the evaluation; acknowledged by sequence number, and harmless when sent twice. */
export const evalJobsSchema = z.object({
  type: z.literal("eval-jobs"),
  ...assignmentReference,
  sequence: z.int().nonnegative(),
  jobs: z.array(evaluatedJobSchema),
  messages: z.array(evaluationMessageSchema),
});
export type EvalJobs = z.infer<typeof evalJobsSchema>;

export const resultSchema = z.object({
  type: z.literal("result"),
  ...assignmentReference,
  result: assignmentResultSchema,
});
export type Result = z.infer<typeof resultSchema>;

/** The worker finishes what runs and takes nothing new. */
export const drainingSchema = z.object({ type: z.literal("draining") });

/** Answer to `resolve-head`: the commit, or why there is none. */
export const headSchema = z.object({
  type: z.literal("head"),
  question: z.uuid(),
  failure: failureSchema.nullable(),
  commit: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .nullable(),
  /** Keys of hosts that `knownHosts` did not name, as lines of known_hosts. */
  hostKeys: z.array(z.string().max(20_000)).max(100),
});
export type Head = z.infer<typeof headSchema>;

export const toCoordinatorSchema = z.discriminatedUnion("type", [
  helloSchema,
  authSchema,
  acceptSchema,
  declineSchema,
  progressSchema,
  usageSchema,
  logSchema,
  evalJobsSchema,
  resultSchema,
  drainingSchema,
  headSchema,
]);
export type ToCoordinator = z.infer<typeof toCoordinatorSchema>;
