import { readFile } from "node:fs/promises";
import { text as readText } from "node:stream/consumers";
import { UserError } from "../errors.ts";

/** Text of a file that holds one secret, without the line break at its end. Throws UserError that names the file and never what is in it. */
export async function readSecretFile(file: string): Promise<string> {
  let text: string;
  try {
    // Another user's terminal or pipe cannot be opened anew by its name, but read.
    text = await (file === "/dev/stdin" ? readText(process.stdin) : readFile(file, "utf8"));
  } catch (cause) {
    throw new UserError(`secret file ${file} cannot be read`, { exitCode: 1, cause });
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret !== "") return secret;
  throw new UserError(`secret file ${file} is empty`, { exitCode: 1 });
}
