import { z } from "zod";

const bytes = z.int().nonnegative().nullable();
const milliseconds = z.number().nonnegative().nullable();
/** Figures that older workers do not tell. */
const laterBytes = bytes.default(null);
const laterMilliseconds = milliseconds.default(null);

/**
 * How far the figures of a usage record can be trusted.
 * `exact`: kernel counters of a control group that held every process of the attempt.
 * `sampled`: polled from processes or from a group that also held others; may miss what lived between two samples.
 * `none`: nothing was measured. Unknown figures are null, never 0.
 */
export const usageQualitySchema = z.enum(["exact", "sampled", "none"]);
export type UsageQuality = z.infer<typeof usageQualitySchema>;

/** One point of the time series: milliseconds since the start, CPU so far, memory at that moment. */
export const usageSampleSchema = z.object({
  atMs: z.int().nonnegative(),
  cpuMs: milliseconds,
  memoryBytes: bytes,
});
export type UsageSample = z.infer<typeof usageSampleSchema>;

/**
 * Where the time between accepting an assignment and its result went. null: it never got there, or there is no such phase.
 * The wait before a worker accepted it is known to the coordinator.
 */
export const usagePhasesSchema = z.object({
  /** Reading derivations, keeping paths from being collected, asking what is here. */
  prepareMs: milliseconds,
  /** Bringing inputs here. */
  prefetchMs: milliseconds,
  /** Waiting for a build slot of this worker. */
  queueMs: milliseconds,
  /** The work that is measured: the build, the evaluation, the fetch. */
  runMs: milliseconds,
  /** Signing, compressing and uploading, as far as the work had ended. */
  storeMs: milliseconds,
});
export type UsagePhases = z.infer<typeof usagePhasesSchema>;

/** What one attempt (or evaluation, or fetch) used. */
export const usageRecordSchema = z
  .object({
    /** Quality of the CPU figures. */
    cpuQuality: usageQualitySchema,
    /** Quality of `memoryPeakBytes`; the raw peak has the kernel's own exactness. */
    memoryQuality: usageQualitySchema,
    wallMs: z.number().nonnegative(),
    cpuUserMs: milliseconds,
    cpuSystemMs: milliseconds,
    /** CPU time divided by wall time. */
    coresAverage: z.number().nonnegative().nullable(),
    /** Largest sampled sum of anonymous, shared and kernel memory: what the build needs, without page cache. */
    memoryPeakBytes: bytes,
    /** The kernel's own high-water mark; includes page cache. */
    memoryRawPeakBytes: bytes,
    /** Mean of the samples, each for the time until the next. */
    memoryAverageBytes: laterBytes,
    memoryLimitBytes: bytes,
    /** Cores that the build could use at most; null: no limit was enforced. */
    coresLimit: z.number().positive().nullable().default(null),
    oomKills: z.int().nonnegative().nullable(),
    cpuThrottledMs: milliseconds,
    ioReadBytes: bytes,
    ioWriteBytes: bytes,
    processesPeak: z.int().nonnegative().nullable(),
    /** Time in which at least one process waited for CPU, for memory, for I/O (the kernel's pressure stall information). */
    cpuPressureMs: laterMilliseconds,
    memoryPressureMs: laterMilliseconds,
    ioPressureMs: laterMilliseconds,
    /** Quality of the three peaks of storage. */
    storageQuality: usageQualitySchema.default("none"),
    /** Most that the build directory held. */
    buildDirectoryPeakBytes: laterBytes,
    /** Most that the outputs held while they were made; at least their NARs' sizes. */
    outputPeakBytes: laterBytes,
    /** Most that both held at the same time. */
    storagePeakBytes: laterBytes,
    /** Received from the caches for inputs, compressed; all of it before the measured part. */
    receivedBytes: laterBytes,
    /** Sum of the NAR sizes of what was made. */
    outputNarBytes: laterBytes,
    /** Sent for what was made, compressed; less than the whole where the caches had something already. */
    sentBytes: laterBytes,
    phases: usagePhasesSchema.nullable().default(null),
    /** Speed of one core of the worker, in millions of rounds of a fixed small computation in a second. */
    coreScore: z.number().positive().nullable().default(null),
    /** Where the figures were read: for instance `cgroup2`, `cgroup1`, `cgroup1+cgroup2`, `proc`. */
    source: z.string(),
    /** At most 300 points, oldest first. */
    series: z.array(usageSampleSchema).max(300),
  })
  .meta({ id: "UsageRecord" });
export type UsageRecord = z.infer<typeof usageRecordSchema>;
