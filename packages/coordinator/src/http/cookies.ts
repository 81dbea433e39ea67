/** Name of the cookie that holds a session's token. */
export const SESSION_COOKIE = "jwt_token";

/** The value of one cookie out of a Cookie header. */
export function readCookie(header: string | undefined, name: string): string | null {
  for (const part of header?.split(";") ?? []) {
    const at = part.indexOf("=");
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return null;
}

export interface CookieOptions {
  isSecure: boolean;
  /** `Lax` is sent when another site links here, `Strict` never. */
  sameSite: "Strict" | "Lax";
  /** Without it the cookie ends with the browser. */
  maxAgeSeconds?: number;
}

/** Set-Cookie value of a cookie that no script sees. */
export function setCookie(name: string, value: string, options: CookieOptions): string {
  const age = options.maxAgeSeconds === undefined ? "" : `; Max-Age=${options.maxAgeSeconds}`;
  const secure = options.isSecure ? "; Secure" : "";
  return `${name}=${value}; HttpOnly${secure}; SameSite=${options.sameSite}; Path=/${age}`;
}

/** Set-Cookie value of a session. */
export function sessionCookie(
  token: string,
  options: { isSecure: boolean; maxAgeSeconds?: number },
): string {
  return setCookie(SESSION_COOKIE, token, { ...options, sameSite: "Strict" });
}
