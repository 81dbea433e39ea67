import { SignJWT, errors, jwtVerify } from "jose";
import { z } from "zod";

const ALGORITHM = "HS256";

const claimsSchema = z.object({ id: z.uuid(), jti: z.uuid(), exp: z.number() });

/** Tokens that are remembered as verified, so that the same one does not go to a thread of the pool and back with every request. */
const REMEMBERED = 1000;

export interface SessionClaims {
  userId: string;
  sessionId: string;
}

/** Makes and reads the JSON web tokens of sessions. The session's row decides whether a token is still good; the token only names it. */
export class SessionTokens {
  readonly #secret: Uint8Array;
  /** By the whole token. */
  readonly #verified = new Map<string, { claims: SessionClaims; expiresAt: number }>();

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
    const known = this.#verified.get(token);
    if (known !== undefined && Date.now() < known.expiresAt) return known.claims;
    try {
      const { payload } = await jwtVerify(token, this.#secret, { algorithms: [ALGORITHM] });
      const { data } = claimsSchema.safeParse(payload);
      if (data === undefined) return null;
      const claims = { userId: data.id, sessionId: data.jti };
      if (this.#verified.size >= REMEMBERED) this.#verified.clear();
      this.#verified.set(token, { claims, expiresAt: data.exp * 1000 });
      return claims;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }
}
