import { escapeName } from "./job-name.ts";
import { limitExceeded, parameterMissing } from "./refusals.ts";

/**
 * A query as Cuirass reads it: parts between `&` that have exactly one `=`, of equal names the last one. A plus sign is a plus sign; escapes are
 * undone, because clients escape and Cuirass does not.
 */
export type CuirassQuery = ReadonlyMap<string, string>;

/** Values are still escaped. */
export function readQuery(url: string): CuirassQuery {
  const at = url.indexOf("?");
  const query = new Map<string, string>();
  if (at < 0) return query;
  for (const part of url.slice(at + 1).split("&")) {
    const [name, value, more] = part.split("=");
    if (name === undefined || value === undefined || more !== undefined) continue;
    query.delete(name);
    query.set(name, value);
  }
  return query;
}

/** A value without its escapes; what is no escape stays as it is. */
export function textOf(query: CuirassQuery, name: string): string | undefined {
  const value = query.get(name);
  return value === undefined ? undefined : unescape(value);
}

/** The text of a search, which comes from a form: there a plus sign is a space. */
export function searchTextOf(query: CuirassQuery): string | undefined {
  const value = query.get("query");
  return value === undefined ? undefined : unescape(value.replaceAll("+", " "));
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const MAX_DIGITS = 15;

/** A whole number; undefined when the parameter is absent, null when it is something else. */
export function numberOf(query: CuirassQuery, name: string): number | null | undefined {
  const value = query.get(name);
  if (value === undefined) return undefined;
  return /^\d+$/.test(value) && value.length <= MAX_DIGITS ? Number(value) : null;
}

/** How the two groups of endpoints word that a parameter is missing. */
export type MissingWords = "Parameter not defined" | "Parameter not defined!";

/** A number that has to be there. Throws the refusal of the endpoint. */
export function requireNumber(query: CuirassQuery, name: string, words: MissingWords): number {
  const value = numberOf(query, name);
  if (typeof value !== "number") throw parameterMissing(words);
  return value;
}

/** A number of things, at most so many. Throws the refusals of the endpoint. */
export function requireLimit(query: CuirassQuery, most: number, words: MissingWords): number {
  const limit = requireNumber(query, "nr", words);
  if (limit > most) throw limitExceeded();
  return limit;
}

/** A number that may be absent. Throws the refusal of the endpoint for what is none. */
export function optionalNumber(query: CuirassQuery, name: string): number | undefined {
  const value = numberOf(query, name);
  if (value === null) throw parameterMissing("Parameter not defined");
  return value;
}

/** How a name that was sent may be stored: as it is, or with what has to be escaped in names of jobs. */
export function spellings(name: string): string[] {
  return [...new Set([name, escapeName(name)])];
}

/** More names than anybody looks at together. */
const MAX_NAMES = 500;

/** Names of a list with commas; undefined when it is absent. Throws a refusal for too many. */
export function listOf(query: CuirassQuery, name: string): string[] | undefined {
  const value = query.get(name);
  if (value === undefined) return undefined;
  const names = value.split(",").map(unescape);
  if (names.length > MAX_NAMES) throw limitExceeded();
  return [...new Set(names)];
}

/** The same as they may be stored. */
export function namesOf(query: CuirassQuery, name: string): string[] | undefined {
  const names = listOf(query, name);
  return names === undefined ? undefined : [...new Set(names.flatMap(spellings))];
}
