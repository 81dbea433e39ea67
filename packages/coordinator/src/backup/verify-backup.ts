import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Snapshot } from "../db/snapshot.ts";
import { DATABASE } from "./backup-folder.ts";
import { restoreBackup } from "./restore-backup.ts";

/** Reads every NAR of a data directory again; resolves to what is wrong. */
export type CheckNars = (dataDir: string) => Promise<readonly string[]>;

/**
 * Restores a backup into a folder beside it, looks at everything that came out, and removes that again. Resolves to what is wrong: nothing for a
 * backup that a farm can be made of. Throws UserError for one that cannot be restored at all.
 */
export async function verifyBackup(folder: string, checkNars: CheckNars): Promise<string[]> {
  const trial = join(folder, "trial");
  await rm(trial, { recursive: true, force: true });
  try {
    const manifest = await restoreBackup(folder, trial);
    const problems = checkDatabase(join(trial, DATABASE), manifest.rows);
    if (problems.length > 0) return problems;
    return [...(await checkNars(trial))];
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

function checkDatabase(file: string, rows: Readonly<Record<string, number>>): string[] {
  using snapshot = new Snapshot(file);
  const damage = snapshot.findDamage().map((text) => `database: ${text}`);
  if (damage.length > 0) return damage;
  const counted = snapshot.countRows();
  return Object.entries(rows).flatMap(([table, count]) =>
    counted[table] === count
      ? []
      : [`table ${table} has ${counted[table] ?? 0} rows, and had ${count}`],
  );
}
