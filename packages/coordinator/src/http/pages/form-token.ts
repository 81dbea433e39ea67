import { randomBytes, timingSafeEqual } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { ForbiddenError } from "../../errors.ts";
import { readCookie, setCookie } from "../cookies.ts";
import { html, type Html } from "./html.ts";

const COOKIE = "form_token";
const TOKEN = /^[\w-]{43}$/;

/**
 * Hidden field that shows that a form came from a page of ours: it repeats a cookie that other sites can neither read nor make the browser
 * send (double submit). The cookie is set on the answer when the browser has none.
 */
export function formTokenField(
  request: FastifyRequest,
  reply: FastifyReply,
  isSecure: boolean,
): Html {
  const known = readCookie(request.headers.cookie, COOKIE);
  const token = known !== null && TOKEN.test(known) ? known : randomBytes(32).toString("base64url");
  if (token !== known) {
    reply.header("set-cookie", setCookie(COOKIE, token, { isSecure, sameSite: "Strict" }));
  }
  return html`<input type="hidden" name="form_token" value="${token}" />`;
}

/** Throws ForbiddenError for a form that did not come from a page of ours. */
export function checkFormToken(request: FastifyRequest, field: string): void {
  const cookie = readCookie(request.headers.cookie, COOKIE) ?? "";
  const [left, right] = [Buffer.from(field), Buffer.from(cookie)];
  const isOurs = TOKEN.test(cookie) && left.length === right.length && timingSafeEqual(left, right);
  if (isOurs) return;
  throw new ForbiddenError("this form did not come from this server; open the page again");
}
