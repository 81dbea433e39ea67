import { SignJWT, errors, jwtVerify } from "jose";
import { z } from "zod";

const ALGORITHM = "HS256";
/** Keeps them apart from session tokens, which the same secret signs. */
const AUDIENCE = "download";
const LIFETIME_MS = 60 * 60 * 1000;

const claimsSchema = z.object({ derivation: z.int(), evaluation: z.uuid() });

/** What a token opens: the products of one derivation, as the organization of the evaluation has it. */
export type DownloadClaims = z.infer<typeof claimsSchema>;

/** Makes and reads tokens for links to the products of one build. Each is good for an hour, whoever has it. */
export class DownloadTokens {
  readonly #secret: Uint8Array;
  readonly #now: () => number;

  /** `now`: milliseconds since the epoch. */
  constructor(secret: Uint8Array, now: () => number) {
    this.#secret = secret;
    this.#now = now;
  }

  /** A JWT (RFC 7519) with an audience of its own: a session's token is none of these, nor the other way round. */
  sign(claims: DownloadClaims): Promise<string> {
    const now = this.#now();
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
      .setAudience(AUDIENCE)
      .setIssuedAt(Math.floor(now / 1000))
      .setExpirationTime(Math.floor((now + LIFETIME_MS) / 1000))
      .sign(this.#secret);
  }

  /** The claims of a token that we signed and that has not expired; null for anything else. */
  async read(token: string): Promise<DownloadClaims | null> {
    try {
      const { payload } = await jwtVerify(token, this.#secret, {
        algorithms: [ALGORITHM],
        audience: AUDIENCE,
        currentDate: new Date(this.#now()),
      });
      return claimsSchema.safeParse(payload).data ?? null;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }
}
