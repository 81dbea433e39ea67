import type { FastifyReply, FastifyRequest } from "fastify";
import type { Services } from "../../api.ts";
import { formTokenField } from "../../pages/form-token.ts";
import { html } from "../../pages/html.ts";
import { sendPage } from "../../pages/page.ts";

/** Asks who is there, on the way to the device that waits under this code. */
export function sendSignInPage(
  services: Pick<Services, "oidc" | "isOidcRequired" | "serveUrl">,
  request: FastifyRequest,
  reply: FastifyReply,
  page: { code: string; fault?: string; status?: number },
): FastifyReply {
  const { oidc, isOidcRequired, serveUrl } = services;
  const field = formTokenField(request, reply, serveUrl.startsWith("https:"));
  const fault = page.fault === undefined ? null : html`<p class="fault">${page.fault}</p>`;
  const passwordForm = html`<form method="post" action="/account/sign-in">
    ${field}
    <input type="hidden" name="code" value="${page.code}" />
    <label
      >User name or e-mail address
      <input name="loginname" autocomplete="username" required autofocus
    /></label>
    <label
      >Password <input name="password" type="password" autocomplete="current-password" required
    /></label>
    <button>Sign in</button>
  </form>`;
  const device = page.code === "" ? "" : `?device=${encodeURIComponent(page.code)}`;
  const providerLink = html`<p>
    <a href="/api/v1/auth/oidc/login${device}">Sign in with your organization's account</a>
  </p>`;
  return sendPage(reply, {
    title: "Sign in",
    status: page.status ?? 200,
    content: html`<p>A program wants to use your account. Sign in to see which one.</p>
      ${fault} ${isOidcRequired ? null : passwordForm} ${oidc === null ? null : providerLink}`,
  });
}
