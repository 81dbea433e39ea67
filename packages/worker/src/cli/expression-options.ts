import { Option } from "@commander-js/extra-typings";
import type { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import type { EvaluationArgument } from "../ports.ts";

const HELP = `
Who may not write to the default state directory has one of their own: ~/.local/state/gradient-worker.
`;

/** Options of Nix's commands that take two values, which the parser of the command line does not know. */
const PAIRS: ReadonlySet<string> = new Set(["--arg", "--argstr"]);

/** Joins the two values behind `--arg` and `--argstr` into one. */
export function joinPairs(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "--") return [...joined, ...argv.slice(at)];
    joined.push(word);
    if (!PAIRS.has(word)) continue;
    const [name, value] = [argv[at + 1], argv[at + 2]];
    if (name === undefined || value === undefined) {
      throw new UserError("bad-argument", `${word} takes a name and a value`);
    }
    joined.push(JSON.stringify([name, value]));
    at += 2;
  }
  return joined;
}

/** The options that say what is evaluated. */
export function addExpressionOptions(command: Command): void {
  command
    .argument(
      "[target]",
      "a file of Nix; a directory with default.nix, release.nix or ci.nix, or with a flake.nix; or a flake, as path#name or git+file:...",
      ".",
    )
    .addOption(
      new Option("-A, --attr <path>", "attribute to take, may be given again").argParser(collect),
    )
    .addOption(
      new Option(
        "--pattern <pattern>",
        "attributes to take, as projects name them: packages.*.hello,!packages.*.broken",
      ),
    )
    .addOption(
      new Option(
        "--arg <name> <expression>",
        "argument of the expression, may be given again",
      ).argParser(collect),
    )
    .addOption(new Option("--argstr <name> <string>", "as --arg, for a string").argParser(collect))
    .addHelpText("after", HELP);
}

/** The options of addExpressionOptions, and how the result is printed. */
export function addEvalOptions(command: Command): void {
  addExpressionOptions(command);
  command.option(
    "--json",
    "one JSON object a line: name, attribute, outcome, and drvPath or error",
  );
}

/** What was given for the options of `addExpressionOptions`. */
export interface ExpressionRequest {
  readonly attributes: readonly string[];
  readonly pattern: string | null;
  readonly arguments: readonly EvaluationArgument[];
}

/** Values of `--arg` and `--argstr` as joinPairs has joined them. */
export function expressionRequest(options: Readonly<Record<string, unknown>>): ExpressionRequest {
  const pattern = options["pattern"];
  return {
    attributes: textsOf(options["attr"]),
    pattern: typeof pattern === "string" ? pattern : null,
    arguments: [...pairsOf(options["arg"], "expression"), ...pairsOf(options["argstr"], "string")],
  };
}

function collect(value: string, before: unknown): string[] {
  return [...textsOf(before), value];
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function pairsOf(value: unknown, kind: EvaluationArgument["kind"]): EvaluationArgument[] {
  return textsOf(value).map((text) => {
    const [name = "", given = ""] = textsOf(JSON.parse(text));
    return { name, kind, text: given };
  });
}
