import {
  type AttributePath,
  AttributePathError,
  type AttributePattern,
  PatternError,
  compareAttributePaths,
  formatAttributePath,
  formatPattern,
  parseAttributePath,
  parsePattern,
} from "@gradient/protocol";
import { UserError } from "../errors.ts";
import { installablePaths } from "../nix/evaluation/installable.ts";
import type { Target } from "./target.ts";

/** As `nix-build` does it: the derivations of the expression, and of the sets in it that say `recurseForDerivations`. */
export const EVERYTHING = "**";

/** No list has as many elements. */
const INDEX_DIGITS = 10;

/** One evaluation, and what it has to find. */
export interface Selection {
  /** The first of these that selects anything counts. */
  readonly patterns: readonly string[];
  /** Each has to lead to something; empty when nothing was asked for by name. */
  readonly roots: readonly AttributePath[];
}

export interface Asked {
  /** `-A`, each an attribute path. */
  readonly attributes: readonly string[];
  /** `--pattern`. */
  readonly pattern: string | null;
}

/** What to evaluate of a target. Throws UserError when a path or pattern can not be read. */
export function selectionsOf(target: Target, asked: Asked, system: string): Selection[] {
  const { subject, attribute, text } = target;
  const roots = asked.attributes.map(readAttributePath);
  if (subject.type !== "flake") return [classic(roots, asked.pattern)];
  if (attribute.length > 0 && (roots.length > 0 || asked.pattern !== null)) {
    throw new UserError("two-selections", `${text} names an attribute: leave out -A and --pattern`);
  }
  if (asked.pattern !== null) return [classic(roots, asked.pattern)];
  const wanted = roots.length === 0 ? [attribute] : roots;
  return wanted.map((root) => {
    const paths = installablePaths(root, system);
    return { patterns: paths.map((path) => formatPattern(below([path]))), roots: [] };
  });
}

/** As `selectionsOf`; Nix is asked for the system only where that is looked at. */
export async function askSelections(
  target: Target,
  asked: Asked,
  system: () => Promise<string>,
): Promise<Selection[]> {
  return selectionsOf(target, asked, target.subject.type === "flake" ? await system() : "");
}

/** A derivation there, or the derivations in a set there. */
function below(roots: readonly AttributePath[]): AttributePattern {
  return {
    include: roots.map((path) => [
      ...path.map((name) => ({ kind: "name", name }) as const),
      { kind: "deep" } as const,
    ]),
    exclude: [],
  };
}

function classic(roots: readonly AttributePath[], pattern: string | null): Selection {
  const given = pattern === null ? null : readPattern(pattern);
  const { include, exclude } = below(roots);
  if (given !== null) {
    include.push(...given.include);
    exclude.push(...given.exclude);
  }
  const text = include.length === 0 ? EVERYTHING : formatPattern({ include, exclude });
  return { patterns: [text], roots };
}

/**
 * What was asked for first comes first, each time that it was asked for; then by name, and elements of a list as they come. So results are
 * numbered the same at every run.
 */
export function inOrder<Job extends { attribute: AttributePath }>(
  { roots }: Selection,
  jobs: readonly Job[],
): Job[] {
  const sorted = jobs.toSorted((a, b) =>
    compareAttributePaths(withNumbers(a.attribute), withNumbers(b.attribute)),
  );
  const found = new Set(jobs.map(({ attribute }) => JSON.stringify(attribute)));
  // What lies within a derivation was asked for by its own name.
  const isOf = (root: AttributePath, attribute: AttributePath): boolean =>
    isBelow(root, attribute) &&
    !attribute
      .slice(root.length)
      .some((_, at) => found.has(JSON.stringify(attribute.slice(0, root.length + at))));
  const asked = roots.flatMap((root) => sorted.filter((job) => isOf(root, job.attribute)));
  const others = sorted.filter((job) => !roots.some((root) => isBelow(root, job.attribute)));
  return [...asked, ...others];
}

/** The elements of a list have their numbers for names. */
function withNumbers(attribute: AttributePath): AttributePath {
  return attribute.map((name) => (/^\d+$/.test(name) ? name.padStart(INDEX_DIGITS, "0") : name));
}

/** Also for the root itself. */
export function isBelow(root: AttributePath, attribute: AttributePath): boolean {
  return root.every((name, index) => attribute[index] === name);
}

/** What is said of a name that leads to nothing. */
export function missingMessage(root: AttributePath): string {
  return `there is no derivation at '${formatAttributePath(root)}'`;
}

function readAttributePath(text: string): AttributePath {
  try {
    return parseAttributePath(text);
  } catch (cause) {
    if (!(cause instanceof AttributePathError)) throw cause;
    throw new UserError("bad-attribute", `-A '${text}': ${cause.message}`, { cause });
  }
}

function readPattern(text: string): AttributePattern {
  try {
    return parsePattern(text);
  } catch (cause) {
    if (!(cause instanceof PatternError)) throw cause;
    throw new UserError("bad-pattern", cause.message, { cause });
  }
}
