import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import {
  AttributePathError,
  compareAttributePaths,
  formatAttributeName,
  parseAttributeName,
  place,
  type AttributePath,
} from "./path.ts";

/**
 * Attribute patterns: which derivations of an expression a project wants.
 *
 *     packages.x86_64-linux.*, checks.#.#, !packages.x86_64-linux."python3.12"
 *
 * `name`  that attribute.
 * `#`     every attribute; at the end, every derivation right here.
 * `*`     every attribute that is not opaque; at the end, every derivation here, and in the sets here that are not opaque.
 *         `*.*` is `*`.
 * `**`    this place and all sets below that say `recurseForDerivations = true`; at the end, every derivation in them.
 * `!`     leaves out what the rest matches. Exclusions look at paths alone: `#` is one name, `**` any number of names, also none,
 *         `*` is one name, at the end one or two.
 *
 * An opaque set has `type` or `_type` and is no derivation. The grammar is Gradient's; `**`, wildcards in exclusions and quotes with
 * escapes everywhere are ours.
 */
export const patternSegmentSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("name"), name: z.string() }),
  z.object({ kind: z.literal("each") }),
  z.object({ kind: z.literal("star") }),
  z.object({ kind: z.literal("deep") }),
]);
export type PatternSegment = z.infer<typeof patternSegmentSchema>;

/** Plain data, which a walker written in Nix can read as JSON. Each list of segments is one alternative and never empty. */
export const attributePatternSchema = z.object({
  include: z.array(z.array(patternSegmentSchema).min(1)),
  exclude: z.array(z.array(patternSegmentSchema).min(1)),
});
export type AttributePattern = z.infer<typeof attributePatternSchema>;

/** A text that is no pattern, with the place of its first fault. */
export class PatternError extends ProtocolError {
  override name = "PatternError";
  /** Characters before the fault. */
  readonly position: number;

  constructor(message: string, position: number, options?: ErrorOptions) {
    super("bad-pattern", message, options);
    this.position = position;
  }
}

/** Throws PatternError that says what is wrong and where. */
export function parsePattern(text: string): AttributePattern {
  if (text === "")
    throw new PatternError("the pattern is empty: '*' selects the derivations near the root", 0);
  const pattern: AttributePattern = { include: [], exclude: [] };
  let at = 0;
  for (;;) {
    const isExclusion = text[at] === "!";
    const { segments, end } = parseSegments(text, isExclusion ? at + 1 : at);
    (isExclusion ? pattern.exclude : pattern.include).push(segments);
    if (end === text.length) return pattern;
    if (text[end] !== ",") fail(text, end, "a dot or a comma has to follow");
    at = end + 1;
    while (text[at] === " ") at += 1;
  }
}

/** The text of a pattern; `parsePattern` gives the same pattern back. Exclusions come last. */
export function formatPattern(pattern: AttributePattern): string {
  return [
    ...pattern.include.map(formatSegments),
    ...pattern.exclude.map((segments) => `!${formatSegments(segments)}`),
  ].join(",");
}

/** A value of an expression, as far as patterns care. Children are asked for only where a pattern leads. */
export interface AttributeNode {
  readonly kind: "derivation" | "set" | "opaque" | "other";
  readonly recurseForDerivations?: boolean;
  /** Names to children; only asked of derivations and sets. */
  children(): ReadonlyMap<string, AttributeNode>;
}

export interface Selection {
  /** Of derivations, sorted, each once. */
  readonly paths: readonly AttributePath[];
  /** Alternatives without wildcards that lead to no derivation: an error of whoever wrote them. */
  readonly missing: readonly AttributePath[];
}

/** What the pattern selects in a tree. */
export function selectAttributes(pattern: AttributePattern, root: AttributeNode): Selection {
  const found = new Map<string, AttributePath>();
  const missing: AttributePath[] = [];
  for (const segments of pattern.include) {
    const paths = [...selectSegments(segments, root, [])];
    const literal = paths.length === 0 ? literalPath(segments) : null;
    if (literal) missing.push(literal);
    for (const path of paths) {
      if (!isExcluded(pattern, path)) found.set(JSON.stringify(path), path);
    }
  }
  return { paths: [...found.values()].sort(compareAttributePaths), missing };
}

/** Whether an exclusion of the pattern matches the path. The value there need not be known. */
export function isExcluded(pattern: AttributePattern, path: AttributePath): boolean {
  return pattern.exclude.some((segments) => matchesPath(segments, path));
}

function parseSegments(text: string, start: number): { segments: PatternSegment[]; end: number } {
  const segments: PatternSegment[] = [];
  for (let at = start; ;) {
    const { segment, end } = parseSegment(text, at);
    const last = segments.at(-1);
    const isRepeated = last?.kind === segment.kind && ["star", "deep"].includes(segment.kind);
    if (!isRepeated) segments.push(segment);
    if (text[end] !== ".") {
      checkEnd(text, start, end, segments);
      return { segments, end };
    }
    at = end + 1;
  }
}

const WILDCARDS: readonly [text: string, segment: PatternSegment][] = [
  ["**", { kind: "deep" }],
  ["*", { kind: "star" }],
  ["#", { kind: "each" }],
];

function parseSegment(text: string, at: number): { segment: PatternSegment; end: number } {
  for (const [wildcard, segment] of WILDCARDS) {
    if (text.startsWith(wildcard, at)) return { segment, end: at + wildcard.length };
  }
  if (text[at] === "!") fail(text, at, "'!' can only stand once, before a whole pattern");
  if (isEndOfPattern(text[at])) fail(text, at, "a pattern or a name is missing");
  if (/\s/.test(text[at] ?? ""))
    fail(text, at, "white space is only allowed as spaces after a comma");
  const { name, end } = parseName(text, at);
  // Gradient refuses these: they are always a wildcard that was quoted by mistake.
  if (text[at] === '"' && /^(?:\*\*?|#|!)$/.test(name)) {
    fail(text, at, `'${name}' in quotes is no wildcard: leave the quotes out`);
  }
  return { segment: { kind: "name", name }, end };
}

function parseName(text: string, at: number): { name: string; end: number } {
  try {
    return parseAttributeName(text, at);
  } catch (error) {
    if (!(error instanceof AttributePathError)) throw error;
    throw new PatternError(`pattern ${error.message}`, error.position, { cause: error });
  }
}

function checkEnd(text: string, start: number, end: number, segments: PatternSegment[]): void {
  if (!isEndOfPattern(text[end])) {
    fail(
      text,
      end,
      `${JSON.stringify(text[end])} cannot be a part of a name or wildcard: quote the whole name`,
    );
  }
  if (segments.length === 1 && segments[0]?.kind === "each") {
    fail(text, start, "'#' cannot stand alone: write '*' for the derivations near the root");
  }
}

function isEndOfPattern(character: string | undefined): boolean {
  return character === undefined || character === ",";
}

function fail(text: string, at: number, fault: string): never {
  throw new PatternError(`pattern ${place(text, at)}: ${fault}`, at);
}

function formatSegments(segments: readonly PatternSegment[]): string {
  return segments.map(formatSegment).join(".");
}

function formatSegment(segment: PatternSegment): string {
  switch (segment.kind) {
    case "name":
      return formatAttributeName(segment.name);
    case "each":
      return "#";
    case "star":
      return "*";
    case "deep":
      return "**";
  }
}

function literalPath(segments: readonly PatternSegment[]): AttributePath | null {
  const names = segments.flatMap((segment) => (segment.kind === "name" ? [segment.name] : []));
  return names.length === segments.length ? names : null;
}

/** Paths of the derivations that the segments lead to from `node`, which lies at `path`. */
function* selectSegments(
  segments: readonly PatternSegment[],
  node: AttributeNode,
  path: AttributePath,
): Generator<AttributePath, void, undefined> {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    if (node.kind === "derivation") yield path;
    return;
  }
  switch (segment.kind) {
    case "name": {
      const child = node.children().get(segment.name);
      if (child) yield* selectSegments(rest, child, [...path, segment.name]);
      break;
    }
    case "each":
      for (const [name, child] of node.children())
        yield* selectSegments(rest, child, [...path, name]);
      break;
    case "star":
      yield* selectStar(rest, node, path);
      break;
    case "deep":
      yield* selectDeep(segments, node, path);
      break;
  }
}

function* selectStar(
  rest: readonly PatternSegment[],
  node: AttributeNode,
  path: AttributePath,
): Generator<AttributePath, void, undefined> {
  for (const [name, child] of node.children()) {
    if (child.kind === "opaque") continue;
    const below = [...path, name];
    yield* selectSegments(rest, child, below);
    if (rest.length === 0 && child.kind === "set") yield* selectSegments([EACH], child, below);
  }
}

const EACH: PatternSegment = { kind: "each" };

function* selectDeep(
  segments: readonly PatternSegment[],
  node: AttributeNode,
  path: AttributePath,
): Generator<AttributePath, void, undefined> {
  const rest = segments.slice(1);
  yield* selectSegments(rest, node, path);
  if (node.kind === "derivation") return;
  if (rest.length === 0) yield* selectSegments([EACH], node, path);
  for (const [name, child] of node.children()) {
    const isRecursive = child.kind === "set" && child.recurseForDerivations === true;
    if (isRecursive) yield* selectDeep(segments, child, [...path, name]);
  }
}

/** Follows all ways at once: `ends` are the numbers of names that the segments so far can stand for. */
function matchesPath(segments: readonly PatternSegment[], path: AttributePath): boolean {
  let ends = new Set([0]);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    ends = new Set([...ends].flatMap((end) => endsAfter(segment, isLast, path, end)));
  }
  return ends.has(path.length);
}

function endsAfter(
  segment: PatternSegment,
  isLast: boolean,
  path: AttributePath,
  end: number,
): number[] {
  switch (segment.kind) {
    case "name":
      return path[end] === segment.name ? [end + 1] : [];
    case "each":
      return [end + 1];
    case "star":
      return isLast ? [end + 1, end + 2] : [end + 1];
    case "deep":
      return Array.from({ length: Math.max(0, path.length - end) + 1 }, (_, more) => end + more);
  }
}
