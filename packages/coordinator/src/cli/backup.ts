import type { Command } from "@commander-js/extra-typings";
import { writeBackup, type BackupReport } from "../backup/write-backup.ts";
import { verifyBackup } from "../backup/verify-backup.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import { requireFarm } from "../data-dir.ts";
import { UserError } from "../errors.ts";
import { readVersion } from "../version.ts";
import { requireMasterKey } from "./farm-keys.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `backup`: also while the coordinator runs. */
export function addBackup(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("backup")
    .description(
      "write a backup into a folder, or bring the one that is there up to date; works while the coordinator runs, too",
    )
    .argument("<folder>", "folder outside of the data directory")
    .option("--verify", "restore it beside itself afterwards and read everything again", false)
    .option("--json", "as JSON", false)
    .action(async (folder, flags) => {
      const config = configOf(flags, surroundings.env);
      await requireFarm(config.dataDir);
      const report = await writeBackup({
        dataDir: config.dataDir,
        folder,
        objectStore: bucketOf(config),
        masterKey: {
          id: (await requireMasterKey(config)).id,
          isInDataDir: config.cryptSecretFile === null,
        },
        version: readVersion(),
        now: systemClock.now(),
      });
      const missing = missingFrom(config);
      const problems = flags.verify ? await verify(folder, config, surroundings) : null;
      const result = { ...report, notContained: missing, problems };
      if (flags.json) surroundings.writeOut(`${JSON.stringify(result, null, 2)}\n`);
      else surroundings.writeOut(describe(folder, report, missing));
      requireGood(report, problems, surroundings);
      if (flags.verify && !flags.json) {
        surroundings.writeOut("it was restored beside itself, and everything in it is as it was\n");
      }
    });
  addSettings(command, ["dataDir", "objectStore", "cryptSecretFile", "jwtSecretFile"]);
}

function bucketOf({ objectStore }: Config): string | null {
  return objectStore === null ? null : `s3://${objectStore.bucket}/${objectStore.prefix}`;
}

/** What has to be kept apart from the backup. */
function missingFrom(config: Config): string[] {
  const bucket = bucketOf(config);
  return [
    ...(bucket === null ? [] : [`NARs: they are in ${bucket}`]),
    ...(config.cryptSecretFile === null ? [] : [`the crypt secret: ${config.cryptSecretFile}`]),
    ...(config.jwtSecretFile === null ? [] : [`the JWT secret: ${config.jwtSecretFile}`]),
  ];
}

async function verify(
  folder: string,
  config: Config,
  surroundings: Surroundings,
): Promise<string[]> {
  const { runMaintenance } = await import("./run-maintenance.ts");
  const request = { kind: "check", cache: null, isRepair: false } as const;
  return verifyBackup(folder, async (dataDir) => {
    const task = await runMaintenance({ ...config, dataDir }, request, surroundings);
    const { named, problems } = task.progress;
    const more = problems - named.length;
    return more > 0 ? [...named, `and ${more} more`] : named;
  });
}

function describe(folder: string, report: BackupReport, missing: readonly string[]): string {
  const { nars, logs } = report;
  const lines = [
    `${nars.all} NARs, ${nars.fresh} of them new; ${logs.all} logs, ${logs.fresh} of them new`,
    ...missing.map((what) => `not in the backup, keep it apart: ${what}`),
    `the backup in ${folder} is complete`,
  ];
  return `${lines.join("\n")}\n`;
}

function requireGood(
  { lost }: BackupReport,
  problems: readonly string[] | null,
  { writeErr }: Surroundings,
): void {
  for (const hash of lost) writeErr(`NAR sha256:${hash} is missing in the farm itself\n`);
  for (const problem of problems ?? []) writeErr(`${problem}\n`);
  if (lost.length > 0) {
    throw new UserError(
      `the backup has all that is there, but ${lost.length} NARs were lost before: run fsck --repair, and back up again`,
      { exitCode: 1 },
    );
  }
  if (problems !== null && problems.length > 0) {
    throw new UserError("the backup is not what it should be: run fsck, and back up again", {
      exitCode: 1,
    });
  }
}
