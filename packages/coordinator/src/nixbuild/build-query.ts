import { BadRequestError } from "../errors.ts";
import { readTagList } from "../rules/tags.ts";
import { ATTEMPT_STATES, isAttemptState, type AttemptState } from "../scheduler/attempt-state.ts";

/** Which builds are asked for; conditions are joined by "and". Times are milliseconds since the epoch. */
export interface BuildFilter {
  readonly tags: readonly Tag[];
  readonly createdFrom: number;
  /** Not included. */
  readonly createdBefore: number;
  /** null for all. */
  readonly statuses: readonly AttemptState[] | null;
}

export interface Tag {
  readonly name: string;
  readonly value: string;
}

/** A parameter as it comes: absent, once, or several times. */
type Parameter = string | readonly string[] | undefined;

export interface FilterParameters {
  tags?: Parameter;
  create_time_from?: Parameter;
  create_time_to?: Parameter;
  status?: Parameter;
}

/** Throws BadRequestError that names the parameter at fault. */
export function readFilter(parameters: FilterParameters): BuildFilter {
  const { create_time_from: from, create_time_to: to } = parameters;
  return {
    tags: valuesOf(parameters.tags).flatMap(readTagList),
    createdFrom: readTime("create_time_from", from) ?? 0,
    createdBefore: readTime("create_time_to", to) ?? Number.MAX_SAFE_INTEGER,
    statuses: readStatuses(parameters.status),
  };
}

/** A parameter without a value counts as absent. */
function valuesOf(parameter: Parameter): string[] {
  return [parameter ?? []].flat().filter((text) => text !== "");
}

function readStatuses(parameter: Parameter): AttemptState[] | null {
  const words = valuesOf(parameter).flatMap((text) => text.split(","));
  if (words.length === 0) return null;
  const statuses = words.map((word) => {
    if (isAttemptState(word)) return word;
    throw new BadRequestError(
      `status: "${word}" is not known; there are ${ATTEMPT_STATES.join(", ")}`,
    );
  });
  return [...new Set(statuses)];
}

const TIME =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+ -]\d{2}:?\d{2})?)?$/i;

/**
 * A date or a time of ISO 8601; UTC where it does not say. A fraction of a millisecond counts as the next one, so that "from" and "before" hold
 * for times that are kept in milliseconds. null when absent.
 */
function readTime(name: string, parameter: Parameter): number | null {
  const text = valuesOf(parameter).at(-1);
  if (text === undefined) return null;
  const match = TIME.exec(text);
  const [, date = "", clock = "00:00", seconds = "00", fraction = "", zone = "Z"] = match ?? [];
  const whole = Date.parse(`${date}T${clock}:${seconds}${offsetOf(zone)}`);
  const isDate = new Date(Date.parse(`${date}T00:00:00Z`) || 0).toISOString().startsWith(date);
  if (match === null || Number.isNaN(whole) || !isDate) {
    throw new BadRequestError(
      `${name}: "${text}" is neither a date (2026-01-31) nor a time (2026-01-31T12:00:00Z)`,
    );
  }
  const padded = fraction.padEnd(9, "0");
  const isBetween = Number(padded.slice(3)) > 0;
  return whole + Number(padded.slice(0, 3)) + (isBetween ? 1 : 0);
}

/** A plus sign that was not escaped arrives as a space. */
function offsetOf(zone: string): string {
  return zone
    .toUpperCase()
    .replace(" ", "+")
    .replace(/^(.\d{2})(\d{2})$/, "$1:$2");
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** A date, as the milliseconds of its beginning in UTC; null when absent. */
export function readDate(name: string, parameter: Parameter): number | null {
  const text = valuesOf(parameter).at(-1);
  if (text === undefined) return null;
  if (!DATE.test(text)) throw new BadRequestError(`${name}: "${text}" is not a date (2026-01-31)`);
  return readTime(name, text);
}

const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 1000;

/** How many builds a list has at most. */
export function readLimit(parameter: Parameter): number {
  const text = valuesOf(parameter).at(-1);
  if (text === undefined) return DEFAULT_LIMIT;
  if (!/^\d{1,15}$/.test(text)) throw new BadRequestError(`limit: "${text}" is not a whole number`);
  return Math.min(Number(text), MAX_LIMIT);
}

/** The base name of a derivation's path; null when absent. */
export function readDerivation(parameter: Parameter): string | null {
  const text = valuesOf(parameter).at(-1);
  if (text === undefined) return null;
  return text.startsWith("/nix/store/") ? text.slice("/nix/store/".length) : text;
}
