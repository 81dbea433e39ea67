import {
  assignmentIdSchema,
  assignmentSpecSchema,
  evaluatedJobSchema,
  evaluationMessageSchema,
  fencingSchema,
  organizationIdSchema,
  phaseSchema,
  type AssignmentResult,
  type AssignmentSpec,
  type Failure,
  type Phase,
} from "@gradient/protocol";
import { z } from "zod";

/** For records of releases that did not write it down. */
const DEFAULT_LEASE_MS = 600_000;

/** What was accepted. Credentials of a fetch are left out: they live in memory, as long as the work. */
export const recordSchema = z.object({
  assignment: assignmentIdSchema,
  fencing: fencingSchema,
  organization: organizationIdSchema,
  acceptedAt: z.int(),
  /** How long the coordinator keeps it for a worker that is silent. */
  leaseMs: z.int().positive().default(DEFAULT_LEASE_MS),
  spec: assignmentSpecSchema,
});
export type JournalRecord = Readonly<z.infer<typeof recordSchema>>;

/** How far it came. */
export const progressStateSchema = z.object({
  phase: phaseSchema,
  /** When the phase began, in milliseconds since the epoch. */
  at: z.int(),
  /** Evaluation batches that were made so far, acknowledged or not. */
  batches: z.int().nonnegative(),
  /** How often it was gone on with after a restart. */
  resumes: z.int().nonnegative().default(0),
});
export type ProgressState = Readonly<z.infer<typeof progressStateSchema>>;

/** What an evaluation found since the batch before. */
export const evalBatchSchema = z.object({
  sequence: z.int().nonnegative(),
  jobs: z.array(evaluatedJobSchema),
  messages: z.array(evaluationMessageSchema),
});
export type EvalBatch = z.infer<typeof evalBatchSchema>;

/** The journal outlives the work, so credentials of a fetch never reach the disk. */
export function withoutSecrets(spec: AssignmentSpec): AssignmentSpec {
  return spec.kind === "fetch" ? { ...spec, credentials: null } : spec;
}

const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  preparing: "fetching what it needs for",
  fetching: "fetching",
  evaluating: "evaluating",
  building: "building",
  uploading: "uploading",
  signing: "signing",
};

/** Result of work that ended with the process that did it. */
export function interruptedResult(
  record: JournalRecord,
  progress: ProgressState,
  logBytes: number,
): AssignmentResult {
  const { spec } = record;
  const message = `the worker restarted while ${PHASE_WORDS[progress.phase]} ${subjectOf(spec)}`;
  return failedResult(record, {
    failure: { message, isTransient: true, isInterruption: true },
    batches: progress.batches,
    logBytes,
  });
}

/** Result of an assignment of any kind that failed for a reason that has nothing to do with what was asked. */
export function failedResult(
  record: JournalRecord,
  facts: {
    failure: Failure;
    batches: number;
    logBytes: number;
  },
): AssignmentResult {
  const { failure, batches, logBytes } = facts;
  switch (record.spec.kind) {
    case "fetch":
      return { kind: "fetch", failure, commit: null, source: null, usage: null };
    case "eval":
      return { kind: "eval", failure, batches, usage: null };
    case "sign":
      return { kind: "sign", failure, signatures: [] };
    case "restore":
      return { kind: "restore", failure, paths: [] };
    case "build":
      return {
        kind: "build",
        outcome: "internal_error",
        message: failure.message,
        isGuess: false,
        isInterruption: failure.isInterruption,
        outputs: [],
        missingInputs: [],
        times: {
          acceptedAt: record.acceptedAt,
          startedAt: null,
          stoppedAt: null,
          uploadedAt: null,
        },
        usage: null,
        logBytes,
      };
  }
}

/** What an assignment is about, for messages. */
export function subjectOf(spec: AssignmentSpec): string {
  switch (spec.kind) {
    case "fetch":
      return spec.repository;
    case "eval":
      return spec.source;
    case "build":
      return spec.drvPath;
    case "sign":
    case "restore":
      return `${spec.paths.length} paths`;
  }
}
