import path from "node:path";
import { type AttributePath, parseAttributePath } from "@gradient/protocol";

/** What somebody names on a command line: `.#name`, `path#name`, `git+file:///repository#name`. */
export interface Installable {
  /** Flake reference, without `#`; a local one is absolute, with what a URL has no place for encoded. */
  reference: string;
  /** Names behind the `#`; empty when there are none. */
  attribute: AttributePath;
}

/**
 * Reads an installable. There are no registries here: what has no scheme is a path, relative to `directory`.
 * Throws AttributePathError for what stands behind the `#`.
 */
export function parseInstallable(text: string, directory: string): Installable {
  const at = text.indexOf("#");
  const before = at === -1 ? text : text.slice(0, at);
  const attribute = at === -1 ? [] : parseAttributePath(text.slice(at + 1));
  return { reference: absoluteReference(before, directory), attribute };
}

/** Paths to look at, the first that is there: those of the system's packages go before the plain one, as in Nix's own commands. */
export function installablePaths(attribute: AttributePath, system: string): AttributePath[] {
  if (attribute.length === 0)
    return [
      ["packages", system, "default"],
      ["defaultPackage", system],
    ];
  return [
    ["packages", system, ...attribute],
    ["legacyPackages", system, ...attribute],
    [...attribute],
  ];
}

/** A path with what is encoded in it; as it stands when that is no encoding. */
export function decodedPath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The reference of the flake that lies in a directory. */
export function directoryReference(directory: string): string {
  return directory.split("/").map(encodeURIComponent).join("/");
}

/** As in Nix, a bare path is what it says, while that of a `path:` may be encoded. */
function absoluteReference(reference: string, directory: string): string {
  const [, scheme = "", location = "", query = ""] =
    /^(path:)?([^?]*)(\?.*)?$/s.exec(reference) ?? [];
  if (scheme === "" && /^[a-z][a-z0-9+.-]*:/i.test(location)) {
    return reference.replaceAll(/[^!-~]|["<>[\\\]^`{|}]/gu, encodeURIComponent);
  }
  const at = scheme === "" ? location : decodedPath(location);
  return `${scheme}${directoryReference(path.resolve(directory, at))}${query}`;
}
