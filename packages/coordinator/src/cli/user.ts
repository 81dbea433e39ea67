import type { Command } from "@commander-js/extra-typings";
import type { Surroundings } from "./surroundings.ts";
import { addUserActivate, addUserDeactivate } from "./user-activate.ts";
import { addUserCreate } from "./user-create.ts";
import { addUserHashPassword } from "./user-hash-password.ts";
import { addUserSetPassword } from "./user-set-password.ts";

/** `user ...`: accounts, directly in the database; the coordinator may be running. */
export function addUser(program: Command, surroundings: Surroundings): void {
  const user = program
    .command("user")
    .description("accounts; these commands work while the coordinator runs, too");
  addUserCreate(user, surroundings);
  addUserSetPassword(user, surroundings);
  addUserDeactivate(user, surroundings);
  addUserActivate(user, surroundings);
  addUserHashPassword(user, surroundings);
}
