import { readFileSync } from "node:fs";
import { z } from "zod";

/** This worker's release, as its package names it. */
export function readRelease(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
