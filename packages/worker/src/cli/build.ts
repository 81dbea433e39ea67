import { randomUUID } from "node:crypto";
import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { runBuild } from "../alone/build.ts";
import { askMissing, missingText } from "../alone/dry-run.ts";
import type { EvaluationRun } from "../alone/evaluate.ts";
import { LiveView } from "../alone/live-view.ts";
import { makeOutLinks, resultsOf } from "../alone/out-links.ts";
import { PlainView } from "../alone/plain-view.ts";
import type { RunReport } from "../alone/report.ts";
import { askSelections } from "../alone/selection.ts";
import { summaryLines } from "../alone/summary.ts";
import { parseTarget } from "../alone/target.ts";
import { type AloneTools, withAloneTools } from "../alone/tools.ts";
import type { BuildView } from "../alone/view.ts";
import { writeWhole } from "../atomic-file.ts";
import { type AloneConfig, loadAloneConfig } from "../config/load.ts";
import { reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { type BuildOptions, readBuildOptions } from "./build-options.ts";
import { expressionRequest } from "./expression-options.ts";
import { Interruption } from "./interruption.ts";
import type { Invocation } from "./program.ts";
import { writeOut } from "./standard-output.ts";
import { INTERRUPTED, isTerminal, paletteFor } from "./terminal.ts";
import { workingDirectory } from "../working-directory.ts";

/** Builds here. Resolves to an exit code as of `nix-build`. */
export async function build(invocation: Invocation): Promise<number> {
  const options = readBuildOptions(invocation.options);
  const given = loadAloneConfig(invocation.sources);
  const config = { ...given, maxConcurrentBuilds: options.maxJobs ?? given.maxConcurrentBuilds };
  if (options.isDryRun) return printMissing(invocation, config);
  // Found out now rather than after hours.
  if (options.reportFile !== null) await checkReportFile(options.reportFile);
  using view = openView(invocation.environment);
  using interruption = new Interruption(() => view[Symbol.dispose]());
  const { signal } = interruption;
  const failures: unknown[] = [];
  // What was built is told all the same.
  const note = (error: unknown): void => void failures.push(error);
  const { environment } = invocation;
  const opening = { config, environment, asksSubstituters: true };
  const report = await withAloneTools(opening, async (tools) => {
    const report = await buildWith(tools, invocation, { config, options, view, signal });
    if (report.exitCode === 0 && options.outLink !== null) {
      const results = resultsOf(report.jobs, options.outLink);
      const place = { directory: workingDirectory(), store: tools.store };
      await makeOutLinks(results, place).catch(note);
    }
    return report;
  });
  view[Symbol.dispose]();
  const { reportFile } = options;
  if (reportFile !== null)
    await writeReport(reportFile, withFailures(report, failures)).catch(note);
  printSummary(report);
  const told = withFailures(report, failures);
  if (options.printsJson) await writeOut(`${JSON.stringify(told)}\n`);
  else if (report.exitCode === 0) await printPaths(report);
  for (const each of failures) process.stderr.write(`gradient-worker: ${reasonOf(each)}\n`);
  return told.exitCode;
}

async function buildWith(
  tools: AloneTools,
  invocation: Invocation,
  {
    config,
    options,
    view,
    signal,
  }: { config: AloneConfig; options: BuildOptions; view: BuildView; signal: AbortSignal },
): Promise<RunReport> {
  const [evaluation, configured] = await Promise.all([
    prepareEvaluation(tools, invocation, config),
    tools.configuredLimits(),
  ]);
  const bounds = {
    timeoutSeconds: options.timeoutSeconds ?? configured.timeoutSeconds,
    maxSilentSeconds: options.maxSilentSeconds ?? configured.maxSilentSeconds,
  };
  return runBuild({
    ...tools,
    ...evaluation,
    view,
    keepsGoing: options.keepsGoing,
    bounds,
    signal,
  });
}

/** What was asked for, and a meter for its evaluation. */
async function prepareEvaluation(
  tools: AloneTools,
  { options, operands }: Invocation,
  config: AloneConfig,
): Promise<Omit<EvaluationRun, "evaluator" | "signal">> {
  const request = expressionRequest(options);
  const directory = workingDirectory();
  const target = parseTarget(operands[0] ?? ".", { directory, arguments: request.arguments });
  const selections = await askSelections(target, request, tools.system);
  const meter = await tools.meters.start(`eval-${randomUUID()}`, {
    memoryBytes: tools.evaluator.memoryLimitBytes,
    cores: null,
    hasParts: true,
  });
  return { target, selections, directory, meter, timeoutMs: config.evalTimeoutSeconds * 1000 };
}

/** Builds nothing. Resolves to 1 when an attribute could not be evaluated. */
async function printMissing(invocation: Invocation, config: AloneConfig): Promise<number> {
  const { stderr } = process;
  const view = new PlainView(
    (text) => stderr.write(text),
    paletteFor(stderr, invocation.environment),
  );
  using interruption = new Interruption(() => {});
  const { signal } = interruption;
  try {
    const { environment } = invocation;
    return await withAloneTools({ config, environment, asksSubstituters: true }, async (tools) => {
      const evaluation = await prepareEvaluation(tools, invocation, config);
      try {
        const { missing, hasFailed } = await askMissing({ ...tools, ...evaluation, view, signal });
        stderr.write(missingText(missing));
        return hasFailed ? 1 : 0;
      } finally {
        await evaluation.meter.finish([]);
      }
    });
  } catch (error) {
    if (signal.aborted) return INTERRUPTED;
    throw error;
  }
}

function openView(environment: Invocation["environment"]): BuildView {
  const { stderr } = process;
  const palette = paletteFor(stderr, environment);
  if (isTerminal(stderr, environment)) return new LiveView(stderr, palette);
  return new PlainView((text) => stderr.write(text), palette);
}

async function checkReportFile(file: string): Promise<void> {
  const path = resolve(workingDirectory(), file);
  try {
    if (await isReplaceable(path)) await access(dirname(path), constants.W_OK);
    // Nothing is written: a directory cannot be opened so, and a pipe would wait for its reader.
    else if ((await stat(path)).isDirectory()) throw new Error("it is a directory");
    else await access(path, constants.W_OK);
  } catch (cause) {
    throw reportError(file, cause);
  }
}

async function writeReport(file: string, report: RunReport): Promise<void> {
  const path = resolve(workingDirectory(), file);
  const text = `${JSON.stringify(report)}\n`;
  try {
    await ((await isReplaceable(path)) ? writeWhole(path, text) : writeFile(path, text));
  } catch (cause) {
    throw reportError(file, cause);
  }
}

/** A pipe or a device, as /dev/stdout, is written to: a file in its place would be the end of it. */
async function isReplaceable(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found === null || found.isFile();
}

function reportError(file: string, cause: unknown): UserError {
  return new UserError("report", `cannot write the report ${file}: ${reasonOf(cause)}`, { cause });
}

function withFailures(report: RunReport, failures: readonly unknown[]): RunReport {
  if (failures.length === 0) return report;
  return {
    ...report,
    exitCode: report.exitCode || 1,
    errors: [...report.errors, ...failures.map(reasonOf)],
  };
}

function printSummary(report: RunReport): void {
  const { stderr } = process;
  // Some terminals do not tell, or tell 0.
  const columns = (stderr.isTTY && stderr.columns) || undefined;
  stderr.write(`${summaryLines(report, columns).join("\n")}\n`);
}

async function printPaths(report: RunReport): Promise<void> {
  for (const { path } of resultsOf(report.jobs, "")) await writeOut(`${path}\n`);
}
