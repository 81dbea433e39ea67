import { join } from "node:path";
import type { Config } from "../config/settings.ts";
import { isServed } from "../data-dir.ts";
import { FarmInspection } from "../db/farm-inspection.ts";
import { checkDataDirectory } from "./data-directory.ts";
import { checkClock, checkDatabase } from "./database.ts";
import { failure, reasonOf, type Finding } from "./finding.ts";
import { checkObjectStore } from "./object-store.ts";
import { checkSecrets } from "./secrets.ts";
import { checkServeUrl } from "./serve-url.ts";
import { checkMail, checkOidc } from "./services.ts";
import { checkWorkers } from "./workers.ts";

export interface DoctorRequest {
  readonly config: Config;
  readonly serveUrl: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Looks at everything that a farm needs, and changes nothing. What fails keeps it from looking at nothing else. */
export async function runDoctor(request: DoctorRequest): Promise<Finding[]> {
  const { config, serveUrl, version } = request;
  const findings = await checkDataDirectory(config.dataDir);
  if (findings.some(({ level, what }) => level === "failure" && what.includes("cannot be used"))) {
    return findings;
  }
  findings.push(...(await checkFarm(request)));
  findings.push(...(await checkObjectStore(config)));
  const running = { isServed: isServed(config.dataDir), version };
  findings.push(...(await checkServeUrl(serveUrl, running)));
  findings.push(...(await checkMail(config)));
  findings.push(...(await checkOidc(config, serveUrl)));
  return findings;
}

async function checkFarm({ config, now }: DoctorRequest): Promise<Finding[]> {
  const file = join(config.dataDir, "farm.sqlite");
  try {
    using inspection = new FarmInspection(file);
    const database = checkDatabase(inspection);
    // Whatever else is read of it would come to the same.
    if (database.some(({ level }) => level === "failure")) return database;
    return [
      ...database,
      checkClock(inspection, now),
      ...(await checkSecrets(config, inspection)),
      ...checkWorkers(inspection, now),
    ];
  } catch (error) {
    const remedy = "look at --data-dir; serve makes a new farm, restore brings one back";
    return [failure("database", `${file} cannot be read: ${reasonOf(error)}`, remedy)];
  }
}
