import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";

/** What a shell gives for a program that SIGPIPE ended. */
const PIPE_CLOSED_EXIT_CODE = 141;

/** Resolves when the text is on its way. Rejects with a UserError when nobody reads any more. */
export function writeOut(text: string): Promise<void> {
  const { stdout } = process;
  // The callback below hears of it; without a listener the process would end with a stack.
  if (stdout.listenerCount("error") === 0) stdout.on("error", () => {});
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve();
      else if (errnoOf(error) === "EPIPE") {
        const message = "nobody reads standard output any more";
        reject(new UserError("output-closed", message, { exitCode: PIPE_CLOSED_EXIT_CODE }));
      } else {
        const message = `cannot write to standard output: ${reasonOf(error)}`;
        reject(new UserError("output-failed", message, { cause: error }));
      }
    });
  });
}
