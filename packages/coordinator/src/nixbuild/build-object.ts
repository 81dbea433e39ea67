import { decodeNix32, formatSriHash } from "@gradient/protocol";
import { z } from "zod";
import type { AttemptRow } from "../db/nixbuild-build-view.ts";
import { isAttemptState, type AttemptState } from "../scheduler/attempt-state.ts";

const MEBIBYTE = 2 ** 20;
const KIBIBYTE = 2 ** 10;

/** Which CPU-seconds are told: what builds used, or (as nixbuild.net has it) the cores that they were given for as long as they ran. */
export type CpuAccounting = "measured" | "allocated";

const status = z.enum([
  "pending",
  "running",
  "built",
  "build_failed",
  "cancelled",
  "timeout",
  "max_memory_exceeded",
  "out_of_memory",
  "client_disconnect",
  "client_error",
  "internal_error",
] satisfies AttemptState[]);

export const buildObject = z.object({
  build_id: z.int(),
  create_time: z.string().meta({ description: "ISO 8601, UTC." }),
  start_time: z.string().meta({ description: "While it is pending: when it was created." }),
  queue_time_seconds: z.number(),
  duration_seconds: z.number().nullable(),
  build_status: status,
  status: status.meta({ description: "The same as build_status, for older clients." }),
  status_message: z.string().nullable(),
  cpu_count: z.int(),
  allocated_megabytes: z.int(),
  cpu_seconds: z.int(),
  peak_memory_use_kilobytes: z.int().nullable(),
  peak_storage_use_kilobytes: z.int().nullable(),
  derivation_path: z.string(),
  outputs: z.array(
    z.object({
      name: z.string(),
      path: z.string(),
      nar_hash: z.string().meta({ description: "SRI." }),
      nar_size_bytes: z.int(),
    }),
  ),
  system: z.string(),
  tags: z.record(z.string(), z.string()),
  restart_of_build_id: z.int().nullable(),
  restarted_as_build_id: z.int().nullable(),
});
export type BuildObject = z.infer<typeof buildObject>;

const outputsSchema = z.array(
  z.object({ name: z.string(), path: z.string(), narHash: z.string(), narSize: z.number() }),
);
const tagsSchema = z.record(z.string(), z.string());

/** An attempt in nixbuild.net's words. Counts are numbers always: clients compute with them. `now` is in milliseconds since the epoch. */
export function buildObjectOf(
  row: AttemptRow,
  accounting: CpuAccounting,
  now: number,
): BuildObject {
  const { createdAt, startedAt, status: word } = row;
  if (!isAttemptState(word)) throw new Error(`attempt ${row.number} has the status '${word}'`);
  const start = startedAt ?? createdAt;
  return {
    build_id: row.number,
    create_time: isoTime(createdAt),
    start_time: isoTime(start),
    queue_time_seconds: (start - createdAt) / 1000,
    duration_seconds: row.durationMs === null ? null : row.durationMs / 1000,
    build_status: word,
    status: word,
    status_message: row.message ?? (word === "built" ? "" : null),
    cpu_count: row.cpuCount ?? 0,
    allocated_megabytes: Math.floor((row.allocatedBytes ?? 0) / MEBIBYTE),
    cpu_seconds: cpuSeconds(row, accounting, now),
    peak_memory_use_kilobytes: kilobytes(row.memoryPeakBytes),
    peak_storage_use_kilobytes: kilobytes(row.storagePeakBytes),
    derivation_path: `/nix/store/${row.drvPath}`,
    outputs: row.outputs === null ? [] : outputsOf(row.outputs),
    system: row.system,
    tags: tagsSchema.parse(row.tags),
    restart_of_build_id: row.restartOf,
    restarted_as_build_id: row.restartedAs,
  };
}

/** Of one that runs: until now. */
function cpuSeconds(row: AttemptRow, accounting: CpuAccounting, now: number): number {
  const { startedAt, cpuTimeMs, cpuCount } = row;
  if (row.status !== "running") {
    return accounting === "measured" ? row.measuredSeconds : row.allocatedSeconds;
  }
  if (accounting === "measured") return Math.ceil((cpuTimeMs ?? 0) / 1000);
  const elapsedMs = startedAt === null ? 0 : Math.max(now - startedAt, 0);
  return Math.ceil((elapsedMs * (cpuCount ?? 1)) / 1000);
}

function outputsOf(recorded: unknown): BuildObject["outputs"] {
  return outputsSchema.parse(recorded).map(({ name, path, narHash, narSize }) => ({
    name,
    path: `/nix/store/${path}`,
    nar_hash: formatSriHash({ algorithm: "sha256", digest: decodeNix32(narHash) }),
    nar_size_bytes: narSize,
  }));
}

/** Rounded up; a kilobyte is 1024 bytes here. */
function kilobytes(bytes: number | null): number | null {
  return bytes === null ? null : Math.ceil(bytes / KIBIBYTE);
}

/** As nixbuild.net writes times: a fraction without zeros at its end, and none when it is zero. */
export function isoTime(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString();
  return milliseconds % 1000 === 0 ? `${text.slice(0, -5)}Z` : text.replace(/0+Z$/, "Z");
}
