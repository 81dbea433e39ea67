import type { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `fsck`: reads everything that is stored again, by the coordinator if it runs. */
export function addFsck(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("fsck")
    .description(
      "read every stored NAR again, report what is damaged or missing, and which worker could bring it back; the coordinator does it if it runs, and only then workers are asked",
    )
    .option(
      "--repair",
      "have workers bring it back, and take what none of them has out of all caches, with what refers to it: it is built again when it is needed",
      false,
    )
    .action(async (flags) => {
      const config = configOf(flags, surroundings.env);
      const { runMaintenance } = await import("./run-maintenance.ts");
      const request = { kind: "check", cache: null, isRepair: flags.repair } as const;
      const { progress } = await runMaintenance(config, request, surroundings);
      for (const problem of progress.named) surroundings.writeOut(`${problem}\n`);
      surroundings.writeOut(
        `${progress.checkedFiles} files checked, ${progress.checkedBytes} bytes; ${progress.problems} problems\n`,
      );
      if (flags.repair) {
        surroundings.writeOut(
          `${progress.repaired} files were brought back by workers, ${progress.paths} paths were taken out of caches\n`,
        );
      } else if (progress.problems > 0) {
        throw new UserError(
          `something is wrong: --repair has workers bring ${progress.repaired} files back, and takes the rest out of the caches`,
          { exitCode: 1 },
        );
      }
    });
  addSettings(command, ["dataDir", "objectStore"]);
}
