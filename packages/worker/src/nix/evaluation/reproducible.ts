import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";

/** A larger tree is not looked through. */
const MAX_FILES = 20_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** Nor a larger file: the thread does nothing else meanwhile, and the patterns below keep a state for each character of a string. */
const MAX_FILE_BYTES = 1024 * 1024;

/** What gives another value at another time or on another machine; also where it is only mentioned. */
const IMPURE_NAMES =
  /\b_{0,2}(?:currentTime|getEnv|storePath|nixPath|findFile|fetchurl|fetchTarball|fetchGit|fetchMercurial|fetchTree|fetchClosure|getFlake)\b/;
/** `<nixpkgs>` */
const SEARCH_PATH = /<[a-zA-Z0-9._+-]+(?:\/[a-zA-Z0-9._+-]+)*>/;
/** `builtins` as a value: then nobody sees by name what is taken from it. */
const BUILTINS_AS_VALUE =
  /\bbuiltins\b(?<!\bwith\s+builtins)(?<!\binherit\s*\(\s*builtins)(?!\s*\.\s*[a-zA-Z_])/;
/** One that does not end goes to the end, so that no text is looked through again for each beginning. */
const COMMENTS = /(?<![\w"'])#.*$|\/\*(?:[^]*?\*\/|[^]*)/gm;
const INDENTED_STRINGS = /''(?:'''|''\$|''\\|[^'$]|'(?!')|\$(?!\{)|\$\{[^{}]*\})*?''/g;
/** The builder that everybody has, which is named and not read; and what is added to a path. */
const HARMLESS = /"\/bin\/(?:ba)?sh"|\+\s*"\/[^"]*"/g;
/** A path, or a string that could be one, that does not begin in the tree. */
const OUTSIDE = /(?<![\w.+}\])*-])[/~]\/?[\w.]|\/\.(?!\.)\s*\+/;
const OUTSIDE_IN_STRING = /(?<![\w.+}\])*-])\/[\w.]/;

/**
 * Whether a tree of classic Nix says nothing that could give another result the next time. Nix has no such mode for classic files that could be
 * asked, so this looks at their text, and rather says no: a tree that names `<nixpkgs>`, the time or a fetcher is not reproducible.
 */
export async function isReproducible(directory: string): Promise<boolean> {
  let files = 0;
  let sizeBytes = 0;
  for await (const file of filesBelow(directory)) {
    files += 1;
    if (files > MAX_FILES) return false;
    if (!file.endsWith(".nix")) continue;
    const { size } = await stat(file);
    sizeBytes += size;
    if (size > MAX_FILE_BYTES || sizeBytes > MAX_BYTES) return false;
    if (!isReproducibleText(await readFile(file, "utf8"))) return false;
  }
  return true;
}

/** As `isReproducible`, for the text of one file. */
export function isReproducibleText(text: string): boolean {
  const code = text.replaceAll(COMMENTS, " ");
  if (IMPURE_NAMES.test(code) || SEARCH_PATH.test(code)) return false;
  if (BUILTINS_AS_VALUE.test(code) || namesOutsideInString(code)) return false;
  return !OUTSIDE.test(code.replaceAll(INDENTED_STRINGS, " ").replaceAll(HARMLESS, " "));
}

/** Whether what stands between `${` and the next `}` names a path that does not begin in the tree. */
function namesOutsideInString(code: string): boolean {
  return code.split("}").some((text) => {
    const at = text.indexOf("${");
    return at !== -1 && OUTSIDE_IN_STRING.test(text.slice(at));
  });
}

async function* filesBelow(directory: string): AsyncGenerator<string, void, undefined> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(file);
    else if (entry.isFile()) yield file;
  }
}
