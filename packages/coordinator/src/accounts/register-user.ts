import { v7 as uuidv7 } from "uuid";
import { hashPassword } from "../auth/passwords.ts";
import type { Queries } from "../db/client.ts";
import { insertUser } from "../db/user-repository.ts";
import { ConflictError } from "../errors.ts";
import { checkEmail, checkPassword, checkUsername } from "../rules/account.ts";
import { checkDisplayName } from "../rules/names.ts";

export interface Registration {
  username: string;
  name: string;
  email: string;
  password: string;
  isSuperuser: boolean;
}

/** Makes an account and returns its id. Throws BadRequestError for what breaks a rule, ConflictError when name or address are taken. */
export async function registerUser(
  db: Queries,
  registration: Registration,
  now: number,
): Promise<string> {
  checkUsername(registration.username);
  checkDisplayName(registration.name);
  checkEmail(registration.email);
  checkPassword(registration.password);
  const id = uuidv7();
  const isStored = await insertUser(db, {
    id,
    username: registration.username,
    name: registration.name,
    email: registration.email.toLowerCase(),
    password_hash: await hashPassword(registration.password),
    superuser: registration.isSuperuser ? 1 : 0,
    email_verified: 1,
    active: 1,
    created_at: now,
    last_login_at: null,
  });
  if (isStored) return id;
  throw new ConflictError(
    `the username "${registration.username}" or the e-mail address "${registration.email}" is taken`,
    { code: "already_exists" },
  );
}
