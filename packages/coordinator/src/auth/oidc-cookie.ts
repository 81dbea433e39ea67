import { SignJWT, errors, jwtVerify } from "jose";
import { z } from "zod";
import type { Attempt } from "../oidc/oidc-provider.ts";

const ALGORITHM = "HS256";
/** So long somebody may take to sign in with the provider. */
export const ATTEMPT_SECONDS = 600;

const claimsSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  pkce_verifier: z.string(),
  device: z.string().optional(),
});

/** An attempt, and the code of the device for whose sake it is made, if any. */
export interface RememberedAttempt extends Attempt {
  device: string | null;
}

/** Makes and reads the cookie that ties the way back from the provider to the browser that was sent there. */
export class OidcCookies {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** `now` in milliseconds since the epoch. */
  sign(attempt: RememberedAttempt, now: number): Promise<string> {
    const issuedAt = Math.floor(now / 1000);
    const { state, nonce, pkceVerifier, device } = attempt;
    return new SignJWT({
      state,
      nonce,
      pkce_verifier: pkceVerifier,
      ...(device === null ? {} : { device }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ATTEMPT_SECONDS)
      .sign(this.#secret);
  }

  /** null for what we did not sign, and for an attempt that took too long. */
  async read(cookie: string, now: number): Promise<RememberedAttempt | null> {
    try {
      const { payload } = await jwtVerify(cookie, this.#secret, {
        algorithms: [ALGORITHM],
        currentDate: new Date(now),
      });
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) return null;
      const { state, nonce, pkce_verifier: pkceVerifier, device } = claims.data;
      return { state, nonce, pkceVerifier, device: device ?? null };
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }
}
