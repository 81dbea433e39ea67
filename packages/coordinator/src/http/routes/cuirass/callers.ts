import type { FastifyRequest } from "fastify";
import type { Authenticator } from "../../../auth/authenticator.ts";
import { anonymous, type Caller } from "../../../auth/caller.ts";
import { readQuery, textOf } from "../../../cuirass/query.ts";
import { CoordinatorError } from "../../../errors.ts";
import type { Api } from "../../api.ts";
import { readCookie, SESSION_COOKIE } from "../../cookies.ts";

/**
 * Gives every request its caller. Cuirass's clients know no credentials, so they are taken from wherever an address can have them: as a bearer, as user or password
 * in front of the host, as `?token=`, or a browser's cookie. What is not good counts as none: who may not see a thing is told that there is none.
 */
export function addCuirassCallers(api: Api, authenticator: Authenticator): void {
  api.decorateRequest("caller");
  api.addHook("onRequest", async (request) => {
    request.caller = await cuirassCaller(request, authenticator);
  });
}

/** Who asks now; nobody when the credentials are not good. */
export async function cuirassCaller(
  request: FastifyRequest,
  authenticator: Authenticator,
): Promise<Caller> {
  const token = tokenOf(request);
  if (token === null) return anonymous;
  try {
    const caller = await authenticator.authenticate({ token, address: request.ip });
    // Such a key is for one cache, and for nothing here.
    return caller.kind === "signed-in" && typeof caller.key?.cacheId === "string"
      ? anonymous
      : caller;
  } catch (error) {
    if (error instanceof CoordinatorError) return anonymous;
    throw error;
  }
}

function tokenOf(request: FastifyRequest): string | null {
  const { authorization = "", cookie } = request.headers;
  const [, scheme = "", credentials = ""] = /^(Bearer|Basic) (\S+)$/.exec(authorization) ?? [];
  if (scheme === "Bearer") return credentials;
  if (scheme === "Basic") {
    const text = Buffer.from(credentials, "base64").toString("utf8");
    const colon = text.indexOf(":");
    const [user, password] = colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
    return password === "" ? user : password;
  }
  const inQuery = textOf(readQuery(request.originalUrl), "token");
  if (inQuery !== undefined) return inQuery;
  return request.foreignOrigin === null ? readCookie(cookie, SESSION_COOKIE) : null;
}
