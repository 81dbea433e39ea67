import { readFileSync } from "node:fs";

/** This worker's release, as its package names it. */
export function readRelease(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  // The file is ours: a schema for it would be a tenth of what a short command takes to start.
  const { version }: { version: string } = JSON.parse(text);
  return version;
}
