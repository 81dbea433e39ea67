import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { v4 as uuidV4 } from "uuid";
import { runBuild } from "../alone/build.ts";
import { LiveView } from "../alone/live-view.ts";
import { makeOutLinks, resultsOf } from "../alone/out-links.ts";
import { PlainView } from "../alone/plain-view.ts";
import type { RunReport } from "../alone/report.ts";
import { selectionsOf } from "../alone/selection.ts";
import { summaryLines } from "../alone/summary.ts";
import { parseTarget } from "../alone/target.ts";
import { type AloneTools, withAloneTools } from "../alone/tools.ts";
import type { BuildView } from "../alone/view.ts";
import { writeWhole } from "../atomic-file.ts";
import { type AloneConfig, loadAloneConfig } from "../config/load.ts";
import { reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { addExpressionOptions, expressionRequest } from "./expression-options.ts";
import { Interruption } from "./interruption.ts";
import type { Invocation } from "./program.ts";
import { writeOut } from "./standard-output.ts";
import { isTerminal, paletteFor } from "./terminal.ts";

const HELP = `
Prints the output paths, one a line, once everything is built. Everything else goes to standard error.

Exit codes are those of nix-build: 100 a build failed, 101 it took too long, 102 a hash is not as stated, 104 not
deterministic, several of them joined; 1 everything else; 130 ended by Ctrl-C.
`;

export function addBuildOptions(command: Command): void {
  addExpressionOptions(command);
  command
    .option("-j, --max-jobs <n>", "as --max-concurrent-builds", countFromOne)
    .option("-k, --keep-going", "go on with what does not depend on what failed")
    .option("--timeout <seconds>", "longest time for one build", wholeNumber)
    .option(
      "--max-silent-time <seconds>",
      "longest time in which a build says nothing",
      wholeNumber,
    )
    .option("-o, --out-link <path>", "name of the links to the outputs", "result")
    .option("--no-out-link", "make no links")
    .option("--json", "print one JSON document instead of output paths")
    .option("--report <file>", "write the same JSON document to a file")
    .addHelpText("after", HELP);
}

/** What was asked for beside the expression. */
interface BuildOptions {
  readonly maxJobs: number | null;
  readonly keepsGoing: boolean;
  readonly timeoutSeconds: number | null;
  readonly maxSilentSeconds: number | null;
  /** null: no links. */
  readonly outLink: string | null;
  readonly printsJson: boolean;
  readonly reportFile: string | null;
}

/** Builds here. Resolves to an exit code as of `nix-build`. */
export async function build(invocation: Invocation): Promise<number> {
  const options = readOptions(invocation.options);
  const given = loadAloneConfig(invocation.sources);
  const config = { ...given, maxConcurrentBuilds: options.maxJobs ?? given.maxConcurrentBuilds };
  using view = openView(invocation.environment);
  using interruption = new Interruption(() => view[Symbol.dispose]());
  const { signal } = interruption;
  const report = await withAloneTools(config, invocation.environment, async (tools) => {
    const report = await buildWith(tools, invocation, { config, options, view, signal });
    if (report.exitCode === 0 && options.outLink !== null) {
      const results = resultsOf(report.jobs, options.outLink);
      await makeOutLinks(results, { directory: process.cwd(), store: tools.store });
    }
    return report;
  });
  view[Symbol.dispose]();
  if (options.reportFile !== null) await writeReport(options.reportFile, report);
  await printResult(report, options);
  return report.exitCode;
}

async function buildWith(
  tools: AloneTools,
  { options: given, operands }: Invocation,
  {
    config,
    options,
    view,
    signal,
  }: { config: AloneConfig; options: BuildOptions; view: BuildView; signal: AbortSignal },
): Promise<RunReport> {
  const request = expressionRequest(given);
  const directory = process.cwd();
  const target = parseTarget(operands[0] ?? ".", { directory, arguments: request.arguments });
  const selections = selectionsOf(target, request, tools.machine.systems[0] ?? "");
  const meter = await tools.meters.start(`eval-${uuidV4()}`, { memoryBytes: null, cores: null });
  return runBuild({
    ...tools,
    target,
    selections,
    directory,
    meter,
    view,
    timeoutMs: config.evalTimeoutSeconds * 1000,
    keepsGoing: options.keepsGoing,
    bounds: options,
    signal,
  });
}

function openView(environment: Invocation["environment"]): BuildView {
  const { stderr } = process;
  const palette = paletteFor(stderr, environment);
  if (isTerminal(stderr, environment)) return new LiveView(stderr, palette);
  return new PlainView((text) => stderr.write(text), palette);
}

async function writeReport(file: string, report: RunReport): Promise<void> {
  try {
    await writeWhole(resolve(file), `${JSON.stringify(report)}\n`);
  } catch (cause) {
    throw new UserError("report", `cannot write the report ${file}: ${reasonOf(cause)}`, { cause });
  }
}

async function printResult(report: RunReport, options: BuildOptions): Promise<void> {
  process.stderr.write(`${summaryLines(report).join("\n")}\n`);
  if (options.printsJson) await writeOut(`${JSON.stringify(report)}\n`);
  else if (report.exitCode === 0) {
    for (const { path } of resultsOf(report.jobs, "")) await writeOut(`${path}\n`);
  }
}

function readOptions(options: Invocation["options"]): BuildOptions {
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
  };
}

function countFromOne(text: string): number {
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It has to be a whole number from 1 on.");
}

function wholeNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It has to be a whole number.");
}
