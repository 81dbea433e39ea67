import type { Command } from "@commander-js/extra-typings";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `gc`: a garbage collection now, by the coordinator if it runs. */
export function addGc(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("gc")
    .description("remove what caches need no longer; works while the coordinator runs, too")
    .option("--dry-run", "only list what would go", false)
    .option("--cache <name>", "of this cache only")
    .action(async (flags) => {
      const config = configOf(flags, surroundings.env);
      // The other commands do not need it.
      const { runMaintenance } = await import("./run-maintenance.ts");
      const request = {
        kind: "collection",
        cache: flags.cache ?? null,
        isDryRun: flags.dryRun,
      } as const;
      const { progress } = await runMaintenance(config, request, surroundings);
      if (flags.dryRun) {
        for (const path of progress.named) surroundings.writeOut(`/nix/store/${path}\n`);
        const more = progress.paths - progress.named.length;
        if (more > 0) surroundings.writeOut(`and ${more} more\n`);
      }
      const verb = flags.dryRun ? "would go" : "went";
      surroundings.writeOut(`${progress.paths} paths ${verb}, ${progress.pathBytes} bytes\n`);
      if (flags.dryRun) return;
      surroundings.writeOut(`${progress.files} files went, ${progress.fileBytes} bytes\n`);
    });
  addSettings(command, ["dataDir", "objectStore", "narTtlHours", "maxStorageGb"]);
}
