import { readFile } from "node:fs/promises";
import { messageOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { checkState, type Checked } from "./check-state.ts";

/** Reads and checks a state file. Throws UserError for one that cannot be read or is not JSON. */
export async function readStateFile(file: string, now: number): Promise<Checked> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new UserError(`state file ${file} cannot be read`, { exitCode: 1, cause });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`state file ${file} is not JSON: ${messageOf(cause)}`, { cause });
  }
  return checkState(content, now);
}
