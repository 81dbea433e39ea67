import type { Command } from "@commander-js/extra-typings";
import type { Surroundings } from "./surroundings.ts";
import { addUserActivate, addUserDeactivate } from "./user-activate.ts";
import { addUserCreate } from "./user-create.ts";
import { addUserDelete } from "./user-delete.ts";
import { addUserHashPassword } from "./user-hash-password.ts";
import { addUserList } from "./user-list.ts";
import { addUserSetPassword } from "./user-set-password.ts";
import { addUserSetSuperuser } from "./user-set-superuser.ts";

/** `user ...`: accounts, directly in the database; the coordinator may be running. */
export function addUser(program: Command, surroundings: Surroundings): void {
  const user = program
    .command("user")
    .description("accounts; these commands work while the coordinator runs, too");
  addUserList(user, surroundings);
  addUserCreate(user, surroundings);
  addUserSetSuperuser(user, surroundings);
  addUserSetPassword(user, surroundings);
  addUserDeactivate(user, surroundings);
  addUserActivate(user, surroundings);
  addUserDelete(user, surroundings);
  addUserHashPassword(user, surroundings);
}
