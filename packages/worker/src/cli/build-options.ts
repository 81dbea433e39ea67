import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { addExpressionOptions } from "./expression-options.ts";

const HELP = `
Prints the output paths, one a line, once everything is built. Everything else goes to standard error.

Exit codes are those of nix-build: 100 a build failed, 101 it took too long, 102 a hash is not as stated, 104 not
deterministic, several of them joined; 1 everything else; 130 ended by Ctrl-C.
`;

/** Names and meanings are those of `nix-build` (Nix manual), but for `--json` and `--report`. */
export function addBuildOptions(command: Command): void {
  addExpressionOptions(command);
  command
    .option(
      "-j, --max-jobs <n>",
      "as --max-concurrent-builds, or auto for as many as there are processors",
      jobCount,
    )
    .option("-k, --keep-going", "go on with what does not depend on what failed")
    .option("--timeout <seconds>", "longest time for one build; 0 for no limit", wholeNumber)
    .option(
      "--max-silent-time <seconds>",
      "longest time in which a build says nothing; 0 for no limit",
      wholeNumber,
    )
    .option("-o, --out-link <path>", "name of the links to the outputs", "result")
    .option("--no-out-link", "make no links")
    .option("--json", "print one JSON document instead of output paths")
    .option("--report <file>", "write the same JSON document to a file")
    .addOption(
      new Option(
        "--dry-run",
        "say on standard error what would be built and fetched, and build only what evaluation imports from",
      ).conflicts(["json", "report"]),
    )
    .addHelpText("after", HELP);
}

/** What was asked for beside the expression. */
export interface BuildOptions {
  readonly maxJobs: number | null;
  readonly keepsGoing: boolean;
  readonly timeoutSeconds: number | null;
  readonly maxSilentSeconds: number | null;
  /** null: no links. */
  readonly outLink: string | null;
  readonly printsJson: boolean;
  readonly reportFile: string | null;
  readonly isDryRun: boolean;
}

/** What was not given is null; numbers were checked when the command line was read. */
export function readBuildOptions(options: Readonly<Record<string, unknown>>): BuildOptions {
  const number = (name: string): number | null => {
    const value = options[name];
    return typeof value === "number" ? value : null;
  };
  const text = (name: string): string | null => {
    const value = options[name];
    return typeof value === "string" ? value : null;
  };
  return {
    maxJobs: number("maxJobs"),
    keepsGoing: options["keepGoing"] === true,
    timeoutSeconds: number("timeout"),
    maxSilentSeconds: number("maxSilentTime"),
    outLink: text("outLink"),
    printsJson: options["json"] === true,
    reportFile: text("report"),
    isDryRun: options["dryRun"] === true,
  };
}

/** `auto` as Nix's `max-jobs` has it. */
function jobCount(text: string): number {
  if (text === "auto") return availableParallelism();
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It has to be a whole number from 1 on, or auto.");
}

function wholeNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It has to be a whole number.");
}
