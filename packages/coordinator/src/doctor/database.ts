import type { FarmInspection } from "../db/farm-inspection.ts";
import { migrationNames } from "../db/migrator.ts";
import { failure, good, warning, type Finding } from "./finding.ts";

const AREA = "database";
/** Clocks of one machine agree better than this. */
const CLOCK_SLACK_MS = 60_000;

/** Whether it is whole, and of this release. */
export function checkDatabase(inspection: FarmInspection): Finding[] {
  const damage = inspection.findDamage();
  if (damage.length > 0) {
    return [
      failure(
        AREA,
        `it is damaged: ${damage.slice(0, 3).join("; ")}`,
        "stop the coordinator, keep the file, and restore a backup",
      ),
    ];
  }
  return [good(AREA, "it is whole"), checkMigrations(inspection.migrations())];
}

function checkMigrations(applied: readonly string[]): Finding {
  const known = migrationNames();
  const unknown = applied.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    return failure(
      AREA,
      `a newer release has written it (${unknown.join(", ")})`,
      "start that release, or restore a backup",
    );
  }
  const missing = known.filter((name) => !applied.includes(name));
  if (missing.length === 0) return good(AREA, `it has all ${known.length} migrations`);
  return warning(
    AREA,
    `it lacks ${missing.length} migrations of this release`,
    "they come at the next start, or by migrate; back up first",
  );
}

/** A clock that goes back makes leases, sessions and pins wrong. */
export function checkClock(inspection: FarmInspection, now: number): Finding {
  const ahead = inspection.newestTime() - now;
  const shown = new Date(now).toISOString();
  if (ahead <= CLOCK_SLACK_MS) return good("clock", `it is ${shown}`);
  return failure(
    "clock",
    `it is ${shown}, and the database has seen a time ${Math.round(ahead / 1000)} s later`,
    "set the clock, and let it be kept (NTP)",
  );
}
