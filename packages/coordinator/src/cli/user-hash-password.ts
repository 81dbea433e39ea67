import type { Command } from "@commander-js/extra-typings";
import { hashPassword } from "../auth/passwords.ts";
import { readSecretFile } from "../config/secret-file.ts";
import { checkPassword } from "../rules/account.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user hash-password`: for state files, which never hold a password. */
export function addUserHashPassword(user: Command, surroundings: Surroundings): void {
  user
    .command("hash-password")
    .description("print the Argon2id hash of a password, as password_file of a state file has it")
    .requiredOption(
      "--password-file <file>",
      "file with the password; /dev/stdin to type or pipe it",
    )
    .action(async (flags) => {
      const password = await readSecretFile(flags.passwordFile);
      checkPassword(password);
      surroundings.writeOut(`${await hashPassword(password)}\n`);
    });
}
