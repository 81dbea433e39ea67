import type { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `fsck`: reads everything that is stored again, by the coordinator if it runs. */
export function addFsck(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("fsck")
    .description(
      "read every stored NAR again and report what is damaged; works while the coordinator runs, too",
    )
    .option(
      "--repair",
      "take what is damaged out of all caches, with what refers to it: it is built again when it is needed",
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
      if (flags.repair) surroundings.writeOut(`${progress.paths} paths were taken out of caches\n`);
      else if (progress.problems > 0) {
        throw new UserError("something is wrong: --repair takes it out of the caches", {
          exitCode: 1,
        });
      }
    });
  addSettings(command, ["dataDir", "objectStore"]);
}
