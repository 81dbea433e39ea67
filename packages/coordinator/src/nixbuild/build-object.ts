import { z } from "zod";
import { ATTEMPT_STATES } from "../scheduler/attempt-state.ts";

/** Which CPU-seconds are told: what builds used, or (as nixbuild.net has it) the cores that they were given for as long as they ran. */
export type CpuAccounting = "measured" | "allocated";

const status = z.enum(ATTEMPT_STATES);

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

/** A time (milliseconds since the epoch) as nixbuild.net writes it: a fraction without zeros at its end, and none when it is zero. */
export function isoTime(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString();
  return milliseconds % 1000 === 0 ? `${text.slice(0, -5)}Z` : text.replace(/0+Z$/, "Z");
}
