import { runChecks } from "../check/check.ts";
import { canRun, formatJson, formatReport } from "../check/report.ts";
import { loadCheckConfig } from "../config/load.ts";
import type { Invocation } from "./program.ts";
import { writeOut } from "./standard-output.ts";

/** Prints what was found and what to change. Resolves to the exit code: 0 when a worker can run here. */
export async function check({ sources, environment, options }: Invocation): Promise<number> {
  const findings = await runChecks({ config: loadCheckConfig(sources), environment });
  await writeOut(options["json"] === true ? formatJson(findings) : formatReport(findings));
  return canRun(findings) ? 0 : 1;
}
