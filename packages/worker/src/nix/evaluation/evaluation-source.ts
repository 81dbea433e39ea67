import type { EvaluationArgument } from "../../ports.ts";

/** What is evaluated, as the programs of Nix are told. */
export interface EvaluationSource {
  /** What messages call it, for instance `default.nix`. */
  label: string;
  /** Expression of Nix: the file's value, or a flake's outputs. */
  imported: string;
  arguments: readonly EvaluationArgument[];
  /** Command line options. */
  options: readonly string[];
  /** Nix lets nothing but the locked source decide what comes out. */
  isPure: boolean;
  /** Names what decides the result, for a source that gives the same one each time; null for every other. */
  identity: string | null;
  /** What stands before the source's own paths in messages. */
  names: readonly string[];
}

/** Of `nix-instantiate`, which calls the function that `withArguments` makes with them. */
export function argumentOptions(source: EvaluationSource): string[] {
  return source.arguments.flatMap(({ name, kind, text }) => [
    kind === "string" ? "--argstr" : "--arg",
    name,
    text,
  ]);
}

/** An expression of Nix whose value may use `given`, the set of the arguments. */
export function withArguments(source: EvaluationSource, body: string): string {
  const names = source.arguments.map(({ name }) => name);
  if (names.length === 0) return `let given = { }; in ${body}`;
  return `{ ${names.join(", ")} }: let given = { inherit ${names.join(" ")}; }; in ${body}`;
}

/** A string of Nix's language with exactly this text (Nix manual, string literals). CR is escaped, as Nix takes it for the end of a line. */
export function nixString(text: string): string {
  return `"${text.replaceAll(/["\\]|\$\{/g, "\\$&").replaceAll("\r", "\\r")}"`;
}
