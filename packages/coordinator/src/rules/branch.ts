import { BadRequestError } from "../errors.ts";

const MAX_BRANCH_LENGTH = 200;

/** The full reference of a branch, by the rules of git-check-ref-format. Throws BadRequestError. */
export function branchReference(branch: string): string {
  const isBad =
    branch === "" ||
    branch.length > MAX_BRANCH_LENGTH ||
    /^[-+/]|[/.]$|\.lock$|\.\.|\/\/|@\{|[\s\p{Cc}~^:?*[\\]/u.test(branch) ||
    branch.split("/").some((part) => part.startsWith("."));
  if (!isBad) return `refs/heads/${branch}`;
  throw new BadRequestError(`${JSON.stringify(branch)} cannot be the name of a branch`);
}
