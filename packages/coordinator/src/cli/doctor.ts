import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../clock.ts";
import type { Finding } from "../doctor/finding.ts";
import { UserError } from "../errors.ts";
import { readVersion } from "../version.ts";
import { serveUrlOf } from "./farm-keys.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `doctor`: exit code 1 when something does not work. */
export function addDoctor(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("doctor")
    .description(
      "look at everything that the farm needs, with the settings of serve, and say what to do; changes nothing",
    )
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      const config = configOf(flags, surroundings.env);
      const { runDoctor } = await import("../doctor/run-doctor.ts");
      const findings = await runDoctor({
        config,
        serveUrl: serveUrlOf(config),
        version: readVersion(),
        now: systemClock.now(),
      });
      if (flags.json) surroundings.writeOut(`${JSON.stringify({ findings }, null, 2)}\n`);
      else for (const finding of findings) surroundings.writeOut(describe(finding));
      const failures = findings.filter(({ level }) => level === "failure").length;
      if (failures > 0) {
        throw new UserError(`${failures} of ${findings.length} findings are failures`, {
          exitCode: 1,
        });
      }
    });
  addSettings(command);
}

function describe({ area, level, what, remedy }: Finding): string {
  const line = `${level.padEnd(8)} ${area}: ${what}\n`;
  return remedy === null ? line : `${line}${" ".repeat(9)}to do: ${remedy}\n`;
}
