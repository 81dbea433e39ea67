import { access, constants } from "node:fs/promises";
import path from "node:path";
import { decodedPath, directoryReference } from "./installable.ts";

/** What Nix is told of a flake, and where. */
export interface ToldReference {
  readonly reference: string;
  /** To which the reference is relative. */
  readonly directory: string;
}

/** A path that needs no encoding. */
const PLAIN_PATH = /^[\w./~-]*$/;

/**
 * How the programs of Nix find the flake of a reference, whose path is encoded when it is a local one. Nix 2.8 neither takes a space in a
 * path nor reads an encoded one, in all versions a `?` ends a path: so it is told to look where it is.
 */
export async function toldReference(reference: string): Promise<ToldReference> {
  const [, scheme = "", location = "", query = ""] =
    /^(path:)?(\/[^?]*)(\?.*)?$/s.exec(reference) ?? [];
  const directory = decodedPath(location);
  if (location === "") return { reference, directory: "/" };
  // What is no directory is for Nix to read, or to say so.
  if (!(await canEnter(directory))) {
    const place = scheme === "" ? directory : location;
    return { reference: `${scheme}${place}${query}`, directory: "/" };
  }
  if (scheme === "" && !PLAIN_PATH.test(directory)) {
    const repository = await repositoryReference(directory, query);
    if (repository !== null) return { reference: repository, directory: "/" };
  }
  return { reference: `${scheme}.${query}`, directory };
}

/** Nix 2.8 finds the repository of a path, and then does not take its own reference to it. */
async function repositoryReference(directory: string, query: string): Promise<string | null> {
  const flake = await closest(directory, "flake.nix");
  const root = flake === null ? null : await closest(flake, ".git");
  if (flake === null || root === null) return null;
  const parameters = query === "" ? [] : [query.slice(1)];
  if (flake !== root) parameters.push(`dir=${encodeURIComponent(path.relative(root, flake))}`);
  if (await exists(path.join(root, ".git/shallow"))) parameters.push("shallow=1");
  const tail = parameters.length === 0 ? "" : `?${parameters.join("&")}`;
  return `git+file://${directoryReference(root)}${tail}`;
}

/** The directory itself, or the first above it, that has the file; null when none does. */
async function closest(directory: string, name: string): Promise<string | null> {
  if (await exists(path.join(directory, name))) return directory;
  const above = path.dirname(directory);
  return above === directory ? null : closest(above, name);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function canEnter(directory: string): Promise<boolean> {
  return access(`${directory}/.`, constants.X_OK).then(
    () => true,
    () => false,
  );
}
