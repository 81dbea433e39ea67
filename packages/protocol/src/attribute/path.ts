import { ProtocolError } from "../errors.ts";

/** Names from the root of an expression down to one value. A name may hold any character, dots included; the root itself is []. */
export type AttributePath = readonly string[];

/** A text that is no attribute path, with the place of its first fault. */
export class AttributePathError extends ProtocolError {
  override name = "AttributePathError";
  /** Characters before the fault. */
  readonly position: number;

  constructor(message: string, position: number) {
    super("bad-attribute-path", message);
    this.position = position;
  }
}

/** Reads `a."b.c".d`. The empty text is the root. Throws AttributePathError that names the position of the fault. */
export function parseAttributePath(text: string): AttributePath {
  const names: string[] = [];
  let at = 0;
  while (text !== "") {
    const { name, end } = parseAttributeName(text, at);
    names.push(name);
    if (end === text.length) break;
    if (text[end] !== ".") {
      throw new AttributePathError(
        `${place(text, end)}: a dot has to follow the name '${name}'`,
        end,
      );
    }
    at = end + 1;
  }
  return names;
}

/** Names that are no Nix identifiers are quoted, so that Nix reads the result as the same path. */
export function formatAttributePath(path: AttributePath): string {
  return path.map(formatAttributeName).join(".");
}

/** In the order of names, shorter paths first. */
export function compareAttributePaths(a: AttributePath, b: AttributePath): number {
  const shared = Math.min(a.length, b.length);
  for (let n = 0; n < shared; n++) {
    const [left = "", right = ""] = [a[n], b[n]];
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

const IDENTIFIER = /^[a-zA-Z_][a-zA-Z0-9_'-]*$/;
const KEYWORDS: ReadonlySet<string> = new Set(
  "assert else if in inherit let or rec then with".split(" "),
);

/** As Nix's language writes a name behind a dot: in quotes, with escapes, unless it is an identifier and no keyword (Nix manual, identifiers). */
export function formatAttributeName(name: string): string {
  if (IDENTIFIER.test(name) && !KEYWORDS.has(name)) return name;
  const escaped = name
    .replace(/["\\]|\$\{/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

/** What cannot stand in a name without quotes. */
const BARE_NAME = /[^."\s,*#!\\${}()[\];=]+/y;

/**
 * Reads one name at `at`: quoted as a Nix string, or bare, where more is allowed than in Nix (`3proxy`, `libc++`).
 * Throws AttributePathError.
 */
export function parseAttributeName(text: string, at: number): { name: string; end: number } {
  if (text[at] === '"') return parseQuotedName(text, at);
  BARE_NAME.lastIndex = at;
  const name = BARE_NAME.exec(text)?.[0];
  if (name !== undefined) return { name, end: at + name.length };
  const found = text[at];
  const fault =
    found === undefined || found === "."
      ? "a name is missing"
      : `the character ${JSON.stringify(found)} has to stand in quotes`;
  throw new AttributePathError(`${place(text, at)}: ${fault}`, at);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function parseQuotedName(text: string, start: number): { name: string; end: number } {
  let name = "";
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at] ?? "";
    if (character === '"') return { name, end: at + 1 };
    if (character === "$" && text[at + 1] === "{") {
      throw new AttributePathError(`${place(text, at)}: write \\\${ for the characters \${`, at);
    }
    if (character === "\\") {
      at += 1;
      const escaped = text[at] ?? "";
      name += ESCAPES[escaped] ?? escaped;
    } else {
      name += character;
    }
  }
  throw new AttributePathError(`${place(text, start)}: this quote is not closed`, start);
}

/** How messages show a position: the text and the character at fault, counted from 1. */
export function place(text: string, at: number): string {
  return `in '${text}' at character ${at + 1}`;
}
