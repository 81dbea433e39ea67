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

/** Set-Cookie value of a session. Without a maximum age it ends with the browser. */
export function sessionCookie(
  token: string,
  options: { isSecure: boolean; maxAgeSeconds?: number },
): string {
  const age = options.maxAgeSeconds === undefined ? "" : `; Max-Age=${options.maxAgeSeconds}`;
  const secure = options.isSecure ? "; Secure" : "";
  return `${SESSION_COOKIE}=${token}; HttpOnly${secure}; SameSite=Strict; Path=/${age}`;
}
