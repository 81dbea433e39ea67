import { z } from "zod";
import {
  assignmentIdSchema,
  attemptNumberSchema,
  evaluationIdSchema,
  fencingSchema,
} from "../ids.ts";
import { usageRecordSchema } from "../usage.ts";
import { narHashText, storePathText } from "./store-texts.ts";

/** Versions of the worker link that this build speaks. The highest version in both ranges is used; no common version is a rejection. */
export const LINK_VERSIONS = { min: 1, max: 1 } as const;

/**
 * What this build understands beyond the version's messages, as named in `hello` and `welcome`. Neither side sends what the other has not named.
 *
 * signing-phase     the phase `signing`: what uses a build's outputs may start before they are signed
 * built-phase       the phase `uploading` of a build says that it was built: what uses its outputs may start on the same worker
 * input-overrides   inputs of a flake that are others than its lock file says
 * resolve-head      the messages `resolve-head` and `head`: which commit a reference of a repository is now
 * live-usage        the message `usage`: what builds have used so far
 * restore           assignments of the kind `restore`: paths whose bytes the coordinator has lost
 * offer-ahead       an offer `after` a build of the same worker, which makes its last input
 */
export const LINK_FEATURES = [
  "signing-phase",
  "built-phase",
  "input-overrides",
  "resolve-head",
  "live-usage",
  "restore",
  "offer-ahead",
] as const;
export type LinkFeature = (typeof LINK_FEATURES)[number];

/** A frame larger than this is refused by both sides; bulk data travels by HTTP. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;

/** Every message about an assignment names it and carries the fencing number it was given with. */
export const assignmentReference = {
  assignment: assignmentIdSchema,
  fencing: fencingSchema,
} as const;

/** What a narinfo says of a path, without where its bytes lie. References and deriver are full store paths. */
export const pathFactsSchema = z.object({
  path: storePathText,
  /** `sha256:` and 52 characters of Nix base 32. */
  narHash: narHashText,
  narSize: z.int().positive(),
  /** Sorted, without duplicates; a path that refers to itself is listed. */
  references: z.array(storePathText),
  deriver: storePathText.nullable(),
  /** Content address as in a narinfo's CA field, or null for an input-addressed path. */
  ca: z.string().nullable(),
  /** `name:base64` each. */
  signatures: z.array(z.string()),
});
export type PathFacts = z.infer<typeof pathFactsSchema>;

export const capabilitiesSchema = z.object({
  fetch: z.boolean(),
  eval: z.boolean(),
  build: z.boolean(),
});
export type Capabilities = z.infer<typeof capabilitiesSchema>;

const seconds = z.int().nonnegative();

/** Limits of one build. null means no limit; the worker still has its own. */
export const buildLimitsSchema = z.object({
  timeoutSeconds: seconds.nullable(),
  maxSilentSeconds: seconds.nullable(),
  cores: z.int().positive().nullable(),
  memoryBytes: z.int().positive().nullable(),
});
export type BuildLimits = z.infer<typeof buildLimitsSchema>;

/** Secrets travel only inside the assignment that needs them and are dropped with it. */
export const gitCredentialsSchema = z.object({
  /** OpenSSH private key, as text. */
  sshPrivateKey: z.string().nullable(),
  /** Lines in known_hosts format, the only truth about the hosts that they name. null: the worker's own files are. */
  knownHosts: z.string().nullable(),
  /** A host that `knownHosts` does not name is believed, and its key reported; otherwise it is refused. */
  acceptsNewHosts: z.boolean().optional(),
});
export type GitCredentials = z.infer<typeof gitCredentialsSchema>;

export const fetchSpecSchema = z.object({
  kind: z.literal("fetch"),
  evaluation: evaluationIdSchema,
  repository: z.string(),
  /** Branch, tag or full reference; null is the remote's HEAD. Ignored when `commit` is given. */
  reference: z.string().nullable(),
  /** Exactly this commit (40 hexadecimal digits), or null for the newest of `reference`. */
  commit: z.string().nullable(),
  credentials: gitCredentialsSchema.nullable(),
});
export type FetchSpec = z.infer<typeof fetchSpecSchema>;

/** An input of a flake that is to be another one than its lock file says. */
export const inputOverrideSchema = z.object({ input: z.string(), url: z.string() });
export type InputOverride = z.infer<typeof inputOverrideSchema>;

export const evalSpecSchema = z.object({
  kind: z.literal("eval"),
  evaluation: evaluationIdSchema,
  /** Store path of the fetched source tree. */
  source: storePathText,
  /** Attribute patterns, as the project has them. */
  pattern: z.string(),
  timeoutSeconds: seconds,
  /** Only for workers that know `input-overrides`. */
  inputOverrides: z.array(inputOverrideSchema).optional(),
});
export type EvalSpec = z.infer<typeof evalSpecSchema>;

export const buildSpecSchema = z.object({
  kind: z.literal("build"),
  /** null of an offer ahead: there is none before the inputs are there. */
  attempt: attemptNumberSchema.nullable(),
  drvPath: storePathText,
  system: z.string(),
  requiredFeatures: z.array(z.string()),
  limits: buildLimitsSchema,
});
export type BuildSpec = z.infer<typeof buildSpecSchema>;

export const signSpecSchema = z.object({
  kind: z.literal("sign"),
  paths: z.array(storePathText).min(1),
});
export type SignSpec = z.infer<typeof signSpecSchema>;

/** Paths whose bytes the coordinator has lost. Only for a worker that named `restore`. */
export const restoreSpecSchema = z.object({
  kind: z.literal("restore"),
  paths: z
    .array(
      z.object({
        path: storePathText,
        /** Other bytes under the same path are of no use. */
        narHash: narHashText,
        narSize: z.int().positive(),
      }),
    )
    .min(1)
    .max(1000),
  /** The bytes are only looked at, and not uploaded. */
  isTrial: z.boolean(),
});
export type RestoreSpec = z.infer<typeof restoreSpecSchema>;

export const assignmentSpecSchema = z.discriminatedUnion("kind", [
  fetchSpecSchema,
  evalSpecSchema,
  buildSpecSchema,
  signSpecSchema,
  restoreSpecSchema,
]);
export type AssignmentSpec = z.infer<typeof assignmentSpecSchema>;
export type AssignmentKind = AssignmentSpec["kind"];

/**
 * Where an assignment is. Only `building` holds a build slot. `uploading` says of a build that it was built (from a worker that named `built-phase`), `signing` that all
 * its outputs are uploaded and only their signatures are missing; that is sent when they take longer than the upload.
 */
export const phaseSchema = z.enum([
  "preparing",
  "fetching",
  "evaluating",
  "building",
  "uploading",
  "signing",
]);
export type Phase = z.infer<typeof phaseSchema>;

/** Why an assignment ended without what was asked. `transient` ones are worth another attempt. */
export const failureSchema = z.object({
  message: z.string(),
  isTransient: z.boolean(),
  /** The process that did the work had to go, for no fault of the work: it may be done again at once. Earlier releases do not tell. */
  isInterruption: z.boolean().optional(),
});
export type Failure = z.infer<typeof failureSchema>;

export const fetchResultSchema = z.object({
  kind: z.literal("fetch"),
  failure: failureSchema.nullable(),
  commit: z
    .object({
      hash: z.string().regex(/^[0-9a-f]{40}$/),
      message: z.string(),
      authorName: z.string(),
      authorEmail: z.string(),
    })
    .nullable(),
  /** Uploaded and made visible before the result is sent. */
  source: storePathText.nullable(),
  /** Keys of hosts that `knownHosts` did not name, as lines of known_hosts. */
  hostKeys: z.array(z.string().max(20_000)).max(100).optional(),
  usage: usageRecordSchema.nullable(),
});
export type FetchResult = z.infer<typeof fetchResultSchema>;

export const evalResultSchema = z.object({
  kind: z.literal("eval"),
  /** Set when the evaluation as a whole did not end; attributes that fail alone are jobs with an error. */
  failure: failureSchema.nullable(),
  /** How many `eval-jobs` messages were sent; the coordinator must have them all. */
  batches: z.int().nonnegative(),
  usage: usageRecordSchema.nullable(),
});
export type EvalResult = z.infer<typeof evalResultSchema>;

/** How one execution ended, as the worker can tell from structure (contract: outcome table of nixbuild.net's API). */
export const buildOutcomeSchema = z.enum([
  "built",
  "build_failed",
  "timeout",
  "out_of_memory",
  "cancelled",
  "client_error",
  "internal_error",
]);
export type BuildOutcome = z.infer<typeof buildOutcomeSchema>;

/** Behind a millisecond. Workers of earlier releases send none. */
const microseconds = z.int().min(0).max(999).optional();

/** Milliseconds since the epoch by the worker's clock; null where the attempt never got there. */
export const buildTimesSchema = z.object({
  acceptedAt: z.int(),
  startedAt: z.int().nullable(),
  /** Microseconds behind `startedAt`. */
  startedUs: microseconds,
  stoppedAt: z.int().nullable(),
  /** Microseconds behind `stoppedAt`. */
  stoppedUs: microseconds,
  uploadedAt: z.int().nullable(),
});
export type BuildTimes = z.infer<typeof buildTimesSchema>;

export const buildResultSchema = z.object({
  kind: z.literal("build"),
  outcome: buildOutcomeSchema,
  /** One sentence for people; null when built. */
  message: z.string().nullable(),
  /** Set when the outcome was read from text because no structure told it. */
  isGuess: z.boolean(),
  /** As in `Failure`. */
  isInterruption: z.boolean().optional(),
  outputs: z.array(z.object({ name: z.string(), facts: pathFactsSchema })),
  /** Inputs that the coordinator's caches no longer have; the producers have to be built again. */
  missingInputs: z.array(storePathText),
  times: buildTimesSchema,
  usage: usageRecordSchema.nullable(),
  /** Length of the whole log in bytes. */
  logBytes: z.int().nonnegative(),
});
export type BuildResult = z.infer<typeof buildResultSchema>;

export const signResultSchema = z.object({
  kind: z.literal("sign"),
  failure: failureSchema.nullable(),
  signatures: z.array(z.object({ path: storePathText, signature: z.string() })),
});
export type SignResult = z.infer<typeof signResultSchema>;

export const restoreResultSchema = z.object({
  kind: z.literal("restore"),
  failure: failureSchema.nullable(),
  paths: z
    .array(
      z.object({
        path: storePathText,
        /** Why the bytes are not to be had from here, for people; null when they were found whole, and uploaded unless it was a trial. */
        problem: z.string().max(2000).nullable(),
      }),
    )
    .max(1000),
});
export type RestoreResult = z.infer<typeof restoreResultSchema>;

export const assignmentResultSchema = z.discriminatedUnion("kind", [
  fetchResultSchema,
  evalResultSchema,
  buildResultSchema,
  signResultSchema,
  restoreResultSchema,
]);
export type AssignmentResult = z.infer<typeof assignmentResultSchema>;
