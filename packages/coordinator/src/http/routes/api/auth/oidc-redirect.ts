import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { hidingDetails, signInWithOidc } from "../../../../accounts/sign-in-with-oidc.ts";
import { ATTEMPT_SECONDS } from "../../../../auth/oidc-cookie.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { OidcProvider } from "../../../../oidc/oidc-provider.ts";
import { actorOf } from "../../../actor.ts";
import type { Services } from "../../../api.ts";
import { readCookie, setCookie } from "../../../cookies.ts";

const CSRF_COOKIE = "oidc_csrf";

/** What the provider sends the browser back with; it may say more. */
export const returnQuery = z.looseObject({
  code: z.string().optional(),
  state: z.string().optional(),
});

/** Throws BadRequestError `oauth_disabled`. */
function providerOf({ oidc }: Services): OidcProvider {
  if (oidc !== null) return oidc;
  throw new BadRequestError("this server has no OIDC provider to sign in with", {
    code: "oauth_disabled",
  });
}

function csrfCookie({ serveUrl }: Services, value: string, maxAgeSeconds: number): string {
  const isSecure = serveUrl.startsWith("https:");
  // Lax: the way back begins on the provider's site.
  return setCookie(CSRF_COOKIE, value, { isSecure, sameSite: "Lax", maxAgeSeconds });
}

/** Begins to sign in: the provider's URL, and the cookie of the attempt on the answer. Throws BadRequestError, UnauthorizedError. */
export async function beginSignIn(
  services: Services,
  reply: FastifyReply,
  device: string | null,
): Promise<string> {
  const provider = providerOf(services);
  const { oidcCookies, clock, logger } = services;
  const { url, attempt } = await hidingDetails(logger, () => provider.begin());
  const value = await oidcCookies.sign({ ...attempt, device }, clock.now());
  reply.header("set-cookie", csrfCookie(services, value, ATTEMPT_SECONDS));
  return url;
}

export interface SignedInWithOidc {
  token: string;
  /** Code of the device for whose sake it was begun. */
  device: string | null;
  /** Set-Cookie value that ends the attempt. */
  clearingCookie: string;
}

/** Ends what `beginSignIn` began. Throws BadRequestError `invalid_oauth_code`, UnauthorizedError. */
export async function endSignIn(
  services: Services,
  request: FastifyRequest,
  code: string | undefined,
): Promise<SignedInWithOidc> {
  const provider = providerOf(services);
  if (code === undefined || code === "") {
    throw new BadRequestError("the provider sent no code; begin again", {
      code: "invalid_oauth_code",
    });
  }
  const now = services.clock.now();
  const cookie = readCookie(request.headers.cookie, CSRF_COOKIE);
  const attempt = cookie === null ? null : await services.oidcCookies.read(cookie, now);
  const query = new URL(request.url, services.serveUrl).searchParams;
  const actor = actorOf(request);
  const token = await signInWithOidc(services, { provider, query, attempt, actor }, now);
  const clearingCookie = csrfCookie(services, "", 0);
  return { token, device: attempt?.device ?? null, clearingCookie };
}
