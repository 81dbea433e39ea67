import type { Access } from "../plugins/access.ts";

/** Name and meaning of each status, for the document. */
const REFUSALS: Readonly<Record<number, readonly [name: string, meaning: string]>> = {
  400: ["BadRequest", "The request breaks a rule, or is not JSON."],
  401: ["Unauthorized", "Credentials are missing or not valid."],
  403: ["Forbidden", "The caller may not do this."],
  404: ["NotFound", "What the request names does not exist, or the caller may not know of it."],
  409: ["Conflict", "The state of things forbids it: a name is taken, for instance."],
  410: ["Gone", "It was there and has expired."],
  413: ["TooLarge", "The body is larger than this server takes."],
  415: ["UnsupportedMediaType", "The body has another content type than this route takes."],
  422: [
    "Unprocessable",
    "The body has not the shape that is asked for; the message names the field.",
  ],
  429: ["RateLimited", "Too many requests; `Retry-After` has the seconds to wait."],
  500: ["Internal", "A failure of the server; its log has the cause under the `x-request-id`."],
  502: ["BadGateway", "Another server that is needed answered with an error."],
  503: ["Unavailable", "Not now: something that is needed does not answer."],
};

/** The component under which all routes share the refusal with this status; null for a status that no route refuses with by itself. */
export function refusalNameOf(status: number): string | null {
  return REFUSALS[status]?.[0] ?? null;
}

/** What is said of a status when the route says nothing. */
export function meaningOf(status: number): string {
  return REFUSALS[status]?.[1] ?? (status < 400 ? "Done." : "Refused.");
}

export interface RefusalFacts {
  access: Access;
  method: string;
  hasPathParameters: boolean;
  hasBody: boolean;
}

/** Statuses that every route of this kind can refuse with; a route declares further ones in its `response`, for instance `410: errorEnvelope`. */
export function refusalsOf(facts: RefusalFacts): number[] {
  const isRead = facts.method === "GET";
  const isPublicRead = facts.access === "none" && isRead;
  // What changes something and lets everybody in looks at other credentials: a password, a code, a signature.
  const needsCredentials = facts.access !== "optional" && !isPublicRead;
  return [
    400,
    ...(needsCredentials ? [401] : []),
    ...(isPublicRead ? [] : [403]),
    ...(facts.hasPathParameters || facts.hasBody ? [404] : []),
    ...(isRead ? [] : [409, 413, 415]),
    ...(facts.hasBody ? [422] : []),
    429,
    500,
  ];
}
