import { isPassword } from "../auth/passwords.ts";
import type { SessionTokens } from "../auth/session-token.ts";
import type { Database } from "../db/client.ts";
import { findUserByLogin, type User } from "../db/user-repository.ts";
import {
  BadRequestError,
  ForbiddenError,
  UnauthorizedError,
  type CoordinatorError,
} from "../errors.ts";
import { audit, type Actor } from "./audit.ts";
import type { EmailVerification } from "./email-verification.ts";
import { openSession } from "./open-session.ts";

export interface LoginRequest {
  /** Username or e-mail address. */
  login: string;
  password: string;
  isRemembered: boolean;
  actor: Actor;
}

export interface LoginDependencies {
  database: Database;
  tokens: SessionTokens;
  /** null: nobody has to have verified an address. */
  verification: EmailVerification | null;
  isOidcRequired: boolean;
}

/**
 * Checks the password, opens a session and returns its token. Throws UnauthorizedError `invalid_credentials` or `oauth_required` (the server or the
 * account knows no passwords), ForbiddenError for a deactivated account, BadRequestError for an address that is not verified.
 */
export async function logIn(
  dependencies: LoginDependencies,
  request: LoginRequest,
  now: number,
): Promise<string> {
  const { database } = dependencies;
  if (dependencies.isOidcRequired) throw oauthRequired();
  const user = await findUserByLogin(database.kysely, request.login);
  const isRight = await isPassword(request.password, user?.password_hash ?? null);
  const fault = faultOf(user, isRight, dependencies.verification !== null);
  if (user !== undefined && fault === null) {
    return openSession(dependencies, { ...request, user, method: "password" }, now);
  }
  const actor = { ...request.actor, userId: user?.id ?? null };
  // What was typed as a name may be a password by mistake, so only the name of an account is kept.
  const subject = user === undefined ? {} : { subject: user.username };
  await audit(database.kysely, { event: "login.failure", actor, ...subject }, now);
  throw fault;
}

function faultOf(
  user: User | undefined,
  isRight: boolean,
  isVerificationNeeded: boolean,
): CoordinatorError | null {
  if (user !== undefined && user.password_hash === null) return oauthRequired();
  if (user === undefined || !isRight) {
    return new UnauthorizedError("user name or password is wrong", { code: "invalid_credentials" });
  }
  if (user.active === 0) return new ForbiddenError("this account is deactivated");
  if (!isVerificationNeeded || user.email_verified === 1) return null;
  return new BadRequestError(
    "the e-mail address of this account is not verified; open the link that was mailed, or ask for another one",
  );
}

function oauthRequired(): UnauthorizedError {
  return new UnauthorizedError("sign in with the provider; there is no password here", {
    code: "oauth_required",
  });
}
