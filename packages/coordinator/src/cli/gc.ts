import type { Command } from "@commander-js/extra-typings";
import type { Progress } from "../collection/progress.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `gc`: a garbage collection now, by the coordinator if it runs. */
export function addGc(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("gc")
    .description("remove what caches need no longer; works while the coordinator runs, too")
    .option("--dry-run", "only list what would go", false)
    .option("--cache <name>", "of this cache only")
    .option("--json", "as JSON", false)
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
      const print = flags.json ? asJson : asText;
      surroundings.writeOut(print(progress, flags.dryRun));
    });
  addSettings(command, ["dataDir", "objectStore", "narTtlHours", "maxStorageGb"]);
}

function asJson(progress: Progress, isDryRun: boolean): string {
  const { paths, pathBytes, files, fileBytes } = progress;
  const named = isDryRun ? progress.named.map((path) => `/nix/store/${path}`) : [];
  const result = { dryRun: isDryRun, paths, pathBytes, files, fileBytes, named };
  return `${JSON.stringify(result, null, 2)}\n`;
}

function asText(progress: Progress, isDryRun: boolean): string {
  const { named, paths, pathBytes, files, fileBytes } = progress;
  if (!isDryRun) {
    return `${paths} paths went, ${pathBytes} bytes\n${files} files went, ${fileBytes} bytes\n`;
  }
  const more = paths - named.length;
  const lines = [
    ...named.map((path) => `/nix/store/${path}`),
    ...(more > 0 ? [`and ${more} more`] : []),
    `${paths} paths would go, ${pathBytes} bytes`,
  ];
  return `${lines.join("\n")}\n`;
}
