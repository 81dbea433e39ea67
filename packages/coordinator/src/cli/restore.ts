import type { Command } from "@commander-js/extra-typings";
import type { Manifest } from "../backup/backup-folder.ts";
import { restoreBackup } from "../backup/restore-backup.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `restore`: into an empty data directory. */
export function addRestore(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("restore")
    .description("make a new data directory of a backup")
    .argument("<folder>", "folder with the backup")
    .action(async (folder, flags) => {
      const { dataDir } = configOf(flags, surroundings.env);
      const manifest = await restoreBackup(folder, dataDir);
      surroundings.writeOut(`${describe(manifest, dataDir).join("\n")}\n`);
    });
  addSettings(command, ["dataDir"]);
}

function describe(manifest: Manifest, dataDir: string): string[] {
  const lines = [`${dataDir} is the farm of ${manifest.createdAt}`];
  if (!manifest.hasMasterKey) {
    lines.push(
      `start it with --crypt-secret-file: its secrets are sealed with master key ${manifest.masterKey}, which is not in the backup`,
    );
  }
  if (manifest.objectStore !== null) {
    lines.push(
      `start it with --object-store: its NARs are in ${manifest.objectStore}, and what went from there since is found by fsck`,
    );
  }
  return lines;
}
