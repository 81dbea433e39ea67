import { v7 as uuidv7 } from "uuid";
import { isPassword } from "../auth/passwords.ts";
import type { SessionTokens } from "../auth/session-token.ts";
import type { Queries } from "../db/client.ts";
import { insertSession } from "../db/session-repository.ts";
import { findUserByLogin, recordLogin } from "../db/user-repository.ts";
import { ForbiddenError, UnauthorizedError } from "../errors.ts";

const DAY_SECONDS = 86_400;
const SESSION_SECONDS = DAY_SECONDS;
export const REMEMBERED_SESSION_SECONDS = 30 * DAY_SECONDS;

export interface LoginRequest {
  /** Username or e-mail address. */
  login: string;
  password: string;
  isRemembered: boolean;
}

/** Checks the password, opens a session and returns its token. Throws UnauthorizedError `invalid_credentials`, ForbiddenError for a deactivated account. */
export async function logIn(
  dependencies: { db: Queries; tokens: SessionTokens },
  request: LoginRequest,
  now: number,
): Promise<string> {
  const { db, tokens } = dependencies;
  const user = await findUserByLogin(db, request.login);
  const isRight = await isPassword(request.password, user?.password_hash ?? null);
  if (user === undefined || !isRight) {
    throw new UnauthorizedError("user name or password is wrong", { code: "invalid_credentials" });
  }
  if (user.active === 0) throw new ForbiddenError("this account is deactivated");
  const seconds = request.isRemembered ? REMEMBERED_SESSION_SECONDS : SESSION_SECONDS;
  const session = {
    id: uuidv7(),
    user_id: user.id,
    created_at: now,
    expires_at: now + seconds * 1000,
    last_used_at: now,
    revoked_at: null,
  };
  await insertSession(db, session);
  await recordLogin(db, user.id, now);
  return tokens.sign(
    { userId: user.id, sessionId: session.id },
    { issuedAt: now, expiresAt: session.expires_at },
  );
}
