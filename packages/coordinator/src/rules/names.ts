import { BadRequestError } from "../errors.ts";

const SLUG = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const MAX_SLUG_LENGTH = 64;
const MAX_DISPLAY_NAME_BYTES = 100;

/** The project of sources that are uploaded; only the server makes it. */
export const BUILD_REQUEST_PROJECT = "build-request";

/** Names that are words of the API where a name of this kind would stand. */
const RESERVED_SLUGS = {
  organization: ["available", "public"],
  cache: ["available", "public"],
  project: ["available", BUILD_REQUEST_PROJECT],
  integration: ["summary"],
  alias: [],
  // Too easily taken for the roles that everybody has.
  role: ["admin", "write", "view"],
} as const;

/** Checks the name by which an organization, cache, project or role is addressed. Throws BadRequestError `invalid_name`. */
export function checkSlug(kind: keyof typeof RESERVED_SLUGS, name: string): void {
  const fault = slugFault(kind, name);
  if (fault === null) return;
  throw new BadRequestError(`${kind} name ${JSON.stringify(name)} cannot be used: ${fault}`, {
    code: "invalid_name",
  });
}

function slugFault(kind: keyof typeof RESERVED_SLUGS, name: string): string | null {
  if (name === "") return "it is empty";
  if (name.length > MAX_SLUG_LENGTH) return `it is longer than ${MAX_SLUG_LENGTH} characters`;
  if (!SLUG.test(name)) {
    return "only lower-case letters, digits and dashes are allowed, and no dash at the start or end";
  }
  return RESERVED_SLUGS[kind].some((reserved) => reserved === name) ? "it is reserved" : null;
}

/** Checks a name for people: of a user, organization, cache or project. Throws BadRequestError. */
export function checkDisplayName(name: string): void {
  const fault = displayNameFault(name);
  if (fault === null) return;
  throw new BadRequestError(`display name ${JSON.stringify(name)} cannot be used: ${fault}`);
}

/** What a name for people may not be, as one clause; null for a good one. */
export function displayNameFault(name: string): string | null {
  if (name === "") return "it is empty";
  if (Buffer.byteLength(name) > MAX_DISPLAY_NAME_BYTES) {
    return `it is longer than ${MAX_DISPLAY_NAME_BYTES} bytes`;
  }
  if (name.startsWith(" ") || name.endsWith(" ")) return "it starts or ends with a space";
  if (name.includes("  ")) return "it has two spaces in a row";
  if (!/^[\p{L}\p{M}\p{N} '._-]+$/u.test(name)) {
    return "only letters, digits, spaces and ' . - _ are allowed";
  }
  return null;
}
