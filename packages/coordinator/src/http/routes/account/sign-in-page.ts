import type { FastifyReply, FastifyRequest } from "fastify";
import type { Services } from "../../api.ts";
import { formTokenField } from "../../pages/form-token.ts";
import { html } from "../../pages/html.ts";
import { sendPage } from "../../pages/page.ts";

/** Where somebody goes who has signed in: to the device that waits under a code, or back to a page of ours. */
export type SignInAim = { readonly code: string } | { readonly next: string };

/** Asks who is there. */
export function sendSignInPage(
  services: Pick<Services, "oidc" | "isOidcRequired" | "serveUrl">,
  request: FastifyRequest,
  reply: FastifyReply,
  page: SignInAim & { fault?: string; status?: number },
): Promise<FastifyReply> {
  const { oidc, isOidcRequired, serveUrl } = services;
  const field = formTokenField(request, reply, serveUrl.startsWith("https:"));
  const code = "code" in page ? page.code : "";
  const aim =
    "next" in page
      ? html`<input type="hidden" name="next" value="${page.next}" />`
      : html`<input type="hidden" name="code" value="${code}" />`;
  const fault = page.fault === undefined ? null : html`<p class="fault">${page.fault}</p>`;
  const passwordForm = html`<form method="post" action="/account/sign-in">
    ${field} ${aim}
    <label
      >User name or e-mail address
      <input name="loginname" autocomplete="username" required autofocus
    /></label>
    <label
      >Password <input name="password" type="password" autocomplete="current-password" required
    /></label>
    <button>Sign in</button>
  </form>`;
  const reason =
    "next" in page
      ? null
      : html`<p>A program wants to use your account. Sign in to see which one.</p>`;
  const device = code === "" ? "" : `?device=${encodeURIComponent(code)}`;
  const providerLink = html`<p>
    <a href="/api/v1/auth/oidc/login${device}">Sign in with your organization's account</a>
  </p>`;
  return sendPage(reply, {
    title: "Sign in",
    status: page.status ?? 200,
    content: html`${reason} ${fault} ${isOidcRequired ? null : passwordForm}
    ${oidc === null ? null : providerLink}`,
  });
}
