import { isPassword } from "../auth/passwords.ts";
import type { SessionTokens } from "../auth/session-token.ts";
import type { Database } from "../db/client.ts";
import { findUserByLogin, type User } from "../db/user-repository.ts";
import { ForbiddenError, UnauthorizedError, type CoordinatorError } from "../errors.ts";
import { audit, type Actor } from "./audit.ts";
import { openSession } from "./open-session.ts";

export interface LoginRequest {
  /** Username or e-mail address. */
  login: string;
  password: string;
  isRemembered: boolean;
  actor: Actor;
}

/** Checks the password, opens a session and returns its token. Throws UnauthorizedError `invalid_credentials`, ForbiddenError for a deactivated account. */
export async function logIn(
  dependencies: { database: Database; tokens: SessionTokens },
  request: LoginRequest,
  now: number,
): Promise<string> {
  const { database } = dependencies;
  const user = await findUserByLogin(database.kysely, request.login);
  const isRight = await isPassword(request.password, user?.password_hash ?? null);
  const fault = faultOf(user, isRight);
  if (user !== undefined && fault === null) {
    return openSession(dependencies, { ...request, user, method: "password" }, now);
  }
  const actor = { ...request.actor, userId: user?.id ?? null };
  // What was typed as a name may be a password by mistake, so only the name of an account is kept.
  const subject = user === undefined ? {} : { subject: user.username };
  await audit(database.kysely, { event: "login.failure", actor, ...subject }, now);
  throw fault;
}

function faultOf(user: User | undefined, isRight: boolean): CoordinatorError | null {
  if (user === undefined || !isRight) {
    return new UnauthorizedError("user name or password is wrong", { code: "invalid_credentials" });
  }
  return user.active === 0 ? new ForbiddenError("this account is deactivated") : null;
}
