import { SignJWT, errors, jwtVerify } from "jose";
import { z } from "zod";

const ALGORITHM = "HS256";

const claimsSchema = z.object({ id: z.uuid(), jti: z.uuid() });

export interface SessionClaims {
  userId: string;
  sessionId: string;
}

/** Makes and reads the JSON web tokens of sessions. The session's row decides whether a token is still good; the token only names it. */
export class SessionTokens {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** Times in milliseconds since the epoch. */
  sign(claims: SessionClaims, times: { issuedAt: number; expiresAt: number }): Promise<string> {
    return new SignJWT({ id: claims.userId })
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
      .setJti(claims.sessionId)
      .setIssuedAt(Math.floor(times.issuedAt / 1000))
      .setExpirationTime(Math.floor(times.expiresAt / 1000))
      .sign(this.#secret);
  }

  /** The claims of a token that we signed and that has not expired; null for anything else. */
  async read(token: string): Promise<SessionClaims | null> {
    try {
      const { payload } = await jwtVerify(token, this.#secret, { algorithms: [ALGORITHM] });
      const claims = claimsSchema.safeParse(payload);
      return claims.success ? { userId: claims.data.id, sessionId: claims.data.jti } : null;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }
}
