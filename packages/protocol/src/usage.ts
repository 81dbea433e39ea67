import { z } from "zod";

const bytes = z.int().nonnegative().nullable();
const milliseconds = z.number().nonnegative().nullable();

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

/** What one attempt (or evaluation, or fetch) used. */
export const usageRecordSchema = z.object({
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
  memoryLimitBytes: bytes,
  oomKills: z.int().nonnegative().nullable(),
  cpuThrottledMs: milliseconds,
  ioReadBytes: bytes,
  ioWriteBytes: bytes,
  processesPeak: z.int().nonnegative().nullable(),
  /** Where the figures were read: for instance `cgroup2`, `cgroup1`, `cgroup1+cgroup2`, `proc`. */
  source: z.string(),
  /** At most 300 points, oldest first. */
  series: z.array(usageSampleSchema).max(300),
});
export type UsageRecord = z.infer<typeof usageRecordSchema>;
