import { checkWildcard } from "../rules/wildcard.ts";

/** Attribute patterns of what a client asks for; everything when it names nothing. Throws BadRequestError. */
export function requestWildcard(target: string | null | undefined): string {
  if (target === null || target === undefined || target === "") return "*";
  checkWildcard(target);
  return target;
}
