import { sha256Hex } from "../auth/random-token.ts";
import type { Database } from "../db/client.ts";
import {
  findUserByName,
  findUserByVerification,
  markEmailVerified,
  setVerification,
} from "../db/user-repository.ts";
import { BadRequestError, CoordinatorError, NotFoundError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { newVerificationToken, type EmailVerification } from "./email-verification.ts";

/** Verifies the address that the token was mailed to. A link that is opened twice is told so. Throws BadRequestError. */
export async function verifyEmail(
  database: Database,
  token: string,
  now: number,
): Promise<"verified" | "was verified"> {
  return database.transaction(async ({ kysely }) => {
    const user = await findUserByVerification(kysely, sha256Hex(token));
    if (user === undefined) {
      throw new BadRequestError("this link is not known; ask for another verification mail");
    }
    if (user.email_verified === 1) return "was verified";
    if ((user.verification_expires_at ?? 0) <= now) {
      throw new BadRequestError("this link has expired; ask for another verification mail");
    }
    await markEmailVerified(kysely, user.id);
    return "verified";
  });
}

/**
 * Mails another link; the one before works until this one was sent. Throws NotFoundError, BadRequestError (verified already),
 * and CoordinatorError with status 500 when the mail server did not take the mail.
 */
export async function resendVerification(
  dependencies: { database: Database; verification: EmailVerification; logger: Logger },
  username: string,
  now: number,
): Promise<void> {
  const { database, verification, logger } = dependencies;
  const user = await findUserByName(database.kysely, username);
  if (user === undefined) throw new NotFoundError(`user "${username}" does not exist`);
  if (user.email_verified === 1) {
    throw new BadRequestError(`the e-mail address of "${username}" is verified already`);
  }
  const { token, columns } = newVerificationToken(now);
  try {
    await verification.mail(user, token);
  } catch (cause) {
    logger.error({ err: cause, user: user.id }, "verification mail could not be sent");
    throw new CoordinatorError(
      "the mail could not be sent; try again later, or ask whoever operates this server",
      500,
      "internal",
      cause,
    );
  }
  await database.transaction(({ kysely }) => setVerification(kysely, user.id, columns));
}
