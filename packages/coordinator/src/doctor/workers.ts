import type { FarmInspection, InspectedWorker } from "../db/farm-inspection.ts";
import { good, warning, type Finding } from "./finding.ts";

const AREA = "workers";
const DAY_MS = 24 * 3600 * 1000;
const MOST_NAMED = 5;

/** Whether those that are registered come. */
export function checkWorkers(inspection: FarmInspection, now: number): Finding[] {
  const workers = inspection.workers();
  if (workers.length === 0) {
    const remedy = "register one: gradient-coordinator worker register";
    return [warning(AREA, "none is registered, so nothing is built", remedy)];
  }
  const findings: Finding[] = [];
  const pending = workers.filter(({ pendingKey }) => pendingKey !== null);
  if (pending.length > 0) {
    findings.push(
      warning(
        AREA,
        `${namesOf(pending)} came with another key and wait for approval`,
        "if that was you: gradient-coordinator worker approve-key",
      ),
    );
  }
  const away = workers.filter(({ lastSeenAt }) => (lastSeenAt ?? 0) < now - DAY_MS);
  if (away.length > 0) {
    findings.push(
      warning(
        AREA,
        `${namesOf(away)} were not seen for a day or never`,
        "gradient-worker status and check on those machines say why; worker remove forgets one",
      ),
    );
  }
  const seen = workers.length - away.length;
  if (seen > 0) findings.push(good(AREA, `${seen} of ${workers.length} were seen within a day`));
  return findings;
}

function namesOf(workers: readonly InspectedWorker[]): string {
  const names = workers.slice(0, MOST_NAMED).map(({ name, worker }) => `${name} (${worker})`);
  const more = workers.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}
