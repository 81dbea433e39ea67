import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { usageRecordSchema } from "@gradient/protocol";
import { z } from "zod";
import { errnoOf } from "../error-facts.ts";
import type { KeptEnd } from "../runner/messages.ts";

/** An earlier release keeps none. */
const microseconds = z.int().min(0).max(999).default(0);

const buildEndSchema = z.object({
  status: z.int().nullable(),
  message: z.string().nullable(),
  startedAt: z.number(),
  startedUs: microseconds,
  stoppedAt: z.number(),
  stoppedUs: microseconds,
  endedBy: z.enum(["cancel", "deadline", "loss"]).nullable(),
});

export const keptEndSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ended"), end: buildEndSchema, usage: usageRecordSchema }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]) satisfies z.ZodType<KeptEnd>;

/** How a build ended that a runner kept in its directory; null when it did not, or when that cannot be read. */
export async function readKeptEnd(directory: string): Promise<KeptEnd | null> {
  try {
    const text = await readFile(join(directory, "end.json"), "utf8");
    return keptEndSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}
