import { randomUUID } from "node:crypto";
import { type EvaluatedJob, formatAttributePath } from "@gradient/protocol";
import { evaluateSelections } from "../alone/evaluate.ts";
import { messageText } from "../alone/plain-view.ts";
import { askSelections } from "../alone/selection.ts";
import { parseTarget } from "../alone/target.ts";
import { withAloneTools } from "../alone/tools.ts";
import { compileLater } from "../compile-later.ts";
import { type AloneConfig, loadAloneConfig } from "../config/load.ts";
import { reasonOf } from "../error-facts.ts";
import { EvaluationError } from "../nix/evaluation-error.ts";
import { type Palette, printable } from "../text/terminal-text.ts";
import { expressionRequest } from "./expression-options.ts";
import { Interruption } from "./interruption.ts";
import type { Invocation } from "./program.ts";
import { OutputLines } from "./standard-output.ts";
import { INTERRUPTED, paletteFor } from "./terminal.ts";
import { workingDirectory } from "../working-directory.ts";

/** Prints each attribute as soon as it is evaluated. Resolves to 1 when one of them, or the whole, failed. */
export async function evaluate(invocation: Invocation): Promise<number> {
  compileLater();
  const config = loadAloneConfig(invocation.sources);
  using interruption = new Interruption(() => {});
  const palette = paletteFor(process.stderr, invocation.environment);
  try {
    return await printJobs(invocation, config, { signal: interruption.signal, palette });
  } catch (error) {
    if (interruption.signal.aborted) return INTERRUPTED;
    throw error;
  }
}

async function printJobs(
  { environment, options, operands }: Invocation,
  config: AloneConfig,
  { signal, palette }: { signal: AbortSignal; palette: Palette },
): Promise<number> {
  const request = expressionRequest(options);
  const directory = workingDirectory();
  const target = parseTarget(operands[0] ?? ".", { directory, arguments: request.arguments });
  const lineOf = options["json"] === true ? jsonLine : plainLine;
  const opening = { config, environment, asksSubstituters: false };
  return withAloneTools(opening, async ({ evaluator, meters, system, hintFor }) => {
    const selections = await askSelections(target, request, system);
    const meter = await meters.start(`eval-${randomUUID()}`, {
      memoryBytes: evaluator.memoryLimitBytes,
      cores: null,
      hasParts: true,
    });
    let exitCode = 0;
    let hint = "";
    try {
      await using output = new OutputLines();
      const events = evaluateSelections({
        evaluator,
        target,
        selections,
        directory,
        timeoutMs: config.evalTimeoutSeconds * 1000,
        meter,
        signal,
      });
      for await (const event of events) {
        if (event.type === "message") {
          process.stderr.write(`${messageText(event.message, palette)}\n`);
          continue;
        }
        if (event.job.outcome === "error") {
          exitCode = 1;
          hint ||= hintFor(event.job.error).trim();
        }
        await output.add(lineOf(event.job));
      }
      if (hint !== "") process.stderr.write(`${hint}\n`);
      return exitCode;
    } catch (error) {
      // The fault is the expression's, and said in Nix's words: a stack of ours would only hide it.
      const advice = hintFor(reasonOf(error));
      if (signal.aborted || !(error instanceof EvaluationError || advice !== "")) throw error;
      const text = `${reasonOf(error)}${advice}`;
      process.stderr.write(`${messageText({ level: "Error", text }, palette)}\n`);
      return 1;
    } finally {
      await meter.finish([]);
    }
  });
}

function jsonLine(job: EvaluatedJob): string {
  const name = formatAttributePath(job.attribute);
  return JSON.stringify({ name, ...job });
}

/** One line for each, also when a message has several. */
function plainLine(job: EvaluatedJob): string {
  const name = printable(formatAttributePath(job.attribute));
  if (job.outcome === "derivation") return `${name}  ${job.drvPath}`;
  return `${name}  error: ${printable(job.error).replaceAll(/\s*\n\s*/g, " ")}`;
}
