import { UserError } from "../errors.ts";
import type { Declared, Problem } from "./declared.ts";
import { readSecrets, type DeclaredSecrets } from "./read-secrets.ts";
import { readStateFile } from "./read-state-file.ts";

/** Reads a state file and the files with secrets that it names. Throws UserError that tells everything that is wrong. */
export async function loadState(
  file: string,
  now: number,
): Promise<{ declared: Declared; secrets: DeclaredSecrets }> {
  const checked = await readStateFile(file, now);
  if ("problems" in checked) throw refusal(file, checked.problems);
  const secrets = await readSecrets(checked.declared);
  if ("texts" in secrets) return { declared: checked.declared, secrets };
  throw refusal(file, secrets);
}

/** The error for a file with problems, a line for each. */
export function refusal(file: string, problems: readonly Problem[]): UserError {
  const lines = problems.map(({ path, message }) => `  ${path}: ${message}`);
  return new UserError(`state file ${file} cannot be used:\n${lines.join("\n")}`);
}
