import { phaseSchema } from "@gradient/protocol";
import { z } from "zod";

const at = z.int();

/** Work that runs now. */
const jobStatusSchema = z.object({
  assignment: z.string(),
  kind: z.enum(["fetch", "eval", "build", "sign", "restore"]),
  subject: z.string(),
  organization: z.string(),
  acceptedAt: at,
  phase: phaseSchema,
  phaseAt: at,
  /** What it uses; null while nothing of it is measured. */
  usage: z
    .object({
      cpuMs: z.number().nullable(),
      /** In the last seconds. */
      cores: z.number().nullable(),
      memoryBytes: z.number().nullable(),
      memoryPeakBytes: z.number().nullable(),
    })
    .nullable(),
});

/** What `gradient-worker status --json` prints. Times are milliseconds since the epoch; null is unknown. */
export const workerStatusSchema = z.object({
  worker: z.string(),
  release: z.string(),
  nixVersion: z.string(),
  pid: z.int(),
  startedAt: at,
  isDraining: z.boolean(),
  slots: z.object({ total: z.int(), busy: z.int() }),
  connection: z.object({
    server: z.string(),
    isAccepted: z.boolean(),
    /** When the session was accepted, or lost. */
    since: at.nullable(),
    epoch: z.int().nullable(),
    sessions: z.int(),
    /** Why the worker is not connected. */
    reason: z.string().nullable(),
  }),
  jobs: z.array(jobStatusSchema),
  /** Results that the coordinator has not acknowledged. */
  resultsWaiting: z.int(),
});
export type WorkerStatus = z.infer<typeof workerStatusSchema>;
export type JobStatus = WorkerStatus["jobs"][number];
