import { errnoOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";

/** What a shell gives for a program that SIGPIPE ended. */
const PIPE_CLOSED_EXIT_CODE = 141;

/** Resolves when the text is on its way. Rejects with a UserError when nobody reads any more. */
export function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (!error) resolve();
      else if (errnoOf(error) === "EPIPE") {
        const message = "nobody reads standard output any more";
        reject(new UserError("output-closed", message, { exitCode: PIPE_CLOSED_EXIT_CODE }));
      } else reject(error);
    });
  });
}
