import type { Database } from "../db/client.ts";
import type { Logger } from "../logger.ts";
import { newVerificationToken, type EmailVerification } from "./email-verification.ts";
import { registerUser, type Registration } from "./register-user.ts";

export interface SignUp {
  id: string;
  /** Whether the account waits for its mailed link to be opened. */
  isUnverified: boolean;
}

/**
 * Makes an account for somebody who asks for it, and mails the link that verifies its address when the server demands that. A mail that
 * could not be sent is logged: the account is there, and its owner can ask for another mail. Throws as registerUser.
 */
export async function signUp(
  dependencies: { database: Database; verification: EmailVerification | null; logger: Logger },
  registration: Omit<Registration, "isSuperuser" | "verification">,
  now: number,
): Promise<SignUp> {
  const { database, verification, logger } = dependencies;
  const token = verification === null ? null : newVerificationToken(now);
  const whole = { ...registration, isSuperuser: false, verification: token };
  const id = await registerUser(database, whole, now);
  if (verification === null || token === null) return { id, isUnverified: false };
  try {
    await verification.mail(registration, token.token);
  } catch (error) {
    logger.error({ err: error, user: id }, "verification mail could not be sent");
  }
  return { id, isUnverified: true };
}
