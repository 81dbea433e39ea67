import { UserError } from "./errors.ts";

/** Where relative paths begin. Throws a UserError when it was removed. */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    const message = "the working directory is not there any more: go to another one";
    throw new UserError("working-directory", message, { cause });
  }
}
