import { ensureDataDir, openFarmDatabase } from "../data-dir.ts";
import type { Database } from "../db/client.ts";
import { configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** The database of the data directory that flags, environment or file name. Throws UserError. */
export async function openAccounts(
  flags: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<Database> {
  const { dataDir } = configOf(flags, surroundings.env);
  await ensureDataDir(dataDir);
  return openFarmDatabase(dataDir);
}
