import { lstat, readlink, rename, symlink, unlink } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { STORE_DIR } from "@gradient/protocol";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import type { NixStore } from "../ports.ts";
import type { JobRecord } from "./report.ts";

/** One line of standard output, and the link beside it. */
interface Result {
  readonly path: string;
  readonly link: string;
}

/**
 * Output paths with their links, as `nix-build` has them: numbered by derivation from the second on, and with the output's name unless it is
 * `out`. The same output of the same derivation stands there once for each attribute, and has one link.
 */
export function resultsOf(jobs: readonly JobRecord[], prefix: string): Result[] {
  const numbers = new Map<string, number>();
  return jobs.flatMap(({ drvPath, output }) => {
    if (drvPath === null || output === null || output.path === null) return [];
    const number = numbers.get(drvPath) ?? numbers.size + 1;
    numbers.set(drvPath, number);
    const counter = number === 1 ? "" : `-${number}`;
    const suffix = output.name === "out" ? "" : `-${output.name}`;
    return [{ path: output.path, link: `${prefix}${counter}${suffix}` }];
  });
}

/** Makes the links, which keep what they point to from being collected. Throws UserError where something else is in the way. */
export async function makeOutLinks(
  results: readonly Result[],
  options: { directory: string; store: NixStore },
): Promise<void> {
  const paths = new Map(results.map(({ path, link }) => [link, path]));
  for (const [link, path] of paths) {
    const at = resolve(options.directory, link);
    if (!(await isReplaceable(at))) {
      throw new UserError("out-link", `cannot make the link ${at}: something else is there`);
    }
    await replaceLink(at, path);
    await options.store.addIndirectRoot(at);
  }
}

/** Nothing, or a link into the store. */
async function isReplaceable(at: string): Promise<boolean> {
  try {
    if (!(await lstat(at)).isSymbolicLink()) return false;
    return (await readlink(at)).startsWith(`${STORE_DIR}/`);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    throw linkError(at, error);
  }
}

async function replaceLink(at: string, path: string): Promise<void> {
  const temporary = `${at}.${randomUUID()}`;
  try {
    await symlink(path, temporary);
    await rename(temporary, at);
  } catch (cause) {
    await unlink(temporary).catch(() => {});
    throw linkError(at, cause);
  }
}

function linkError(at: string, cause: unknown): UserError {
  return new UserError("out-link", `cannot make the link ${at}: ${reasonOf(cause)}`, { cause });
}
