import { randomBytes } from "node:crypto";
import { sha256Hex } from "../auth/random-token.ts";
import type { Mailer } from "../mail/mailer.ts";

const HOUR_MS = 3_600_000;
/** How long a mailed link works. */
const VALID_HOURS = 24;

/** A token that is mailed, and what the database keeps of it. */
export interface VerificationToken {
  /** 64 hexadecimal digits. */
  token: string;
  columns: { verification_hash: string; verification_expires_at: number };
}

/** A token that works for 24 hours; `now` in milliseconds since the epoch. Storing its columns makes an earlier token worthless. */
export function newVerificationToken(now: number): VerificationToken {
  const token = randomBytes(32).toString("hex");
  return {
    token,
    columns: {
      verification_hash: sha256Hex(token),
      verification_expires_at: now + VALID_HOURS * HOUR_MS,
    },
  };
}

/** Mails the links by which users show that an address is theirs. Exists only when the server demands it. */
export class EmailVerification {
  readonly #mailer: Mailer;
  readonly #serveUrl: string;

  constructor(mailer: Mailer, serveUrl: string) {
    this.#mailer = mailer;
    this.#serveUrl = serveUrl;
  }

  /** Rejects when the mail server did not take the mail. */
  async mail(user: { name: string; email: string }, token: string): Promise<void> {
    await this.#mailer.send({
      to: user.email,
      subject: "Verify your e-mail address",
      text: [
        `Hello ${user.name},`,
        "",
        "please open this link to verify your e-mail address:",
        "",
        `${this.#serveUrl}/api/v1/auth/verify-email?token=${token}`,
        "",
        `It works for ${VALID_HOURS} hours. If you did not ask for an account at ${this.#serveUrl}, ignore this mail.`,
        "",
      ].join("\n"),
    });
  }
}
