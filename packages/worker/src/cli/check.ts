import { runChecks } from "../check/check.ts";
import { canRun, formatJson, formatReport } from "../check/report.ts";
import { loadCheckConfig } from "../config/load.ts";
import type { Invocation } from "./program.ts";

/** Prints what was found and what to change. Resolves to the exit code: 0 when a worker can run here. */
export async function check({ sources, environment, isJson }: Invocation): Promise<number> {
  const findings = await runChecks({ config: loadCheckConfig(sources), environment });
  process.stdout.write(isJson ? formatJson(findings) : formatReport(findings));
  return canRun(findings) ? 0 : 1;
}
