import type { Caller } from "../auth/caller.ts";
import { findBuildFacts } from "../db/build-view.ts";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { findLogAttempt } from "../log-streams/log-attempt.ts";
import type { PageServices } from "./page-services.ts";
import { shownBuild, type ViewOf } from "./shown.ts";
import { buildStatus } from "./words.ts";

/** Of a longer log the end is shown: that is where it says what went wrong. */
const MAX_CHARACTERS = 500_000;

/** The log of a build. Throws NotFoundError. */
export async function logPage(
  services: PageServices,
  caller: Caller,
  id: string,
): Promise<ViewOf<"log">> {
  const row = await shownBuild(services, caller, id);
  const attempt = await attemptOf(services, row);
  const isOver = row.status >= 0;
  const log = attempt === null ? NOTHING : await endOf(services, attempt, isOver);
  return {
    kind: "log",
    number: row.number,
    evaluation: row.evaluation,
    jobset: jobsetName(row),
    title: row.isJob === 1 ? row.job : row.nixName,
    status: buildStatus(row.status),
    text: log.text,
    skippedBytes: log.skippedBytes,
    follow:
      isOver || attempt === null
        ? null
        : `/build/${row.number}/log/live?attempt=${attempt}&offset=${log.endBytes}`,
  };
}

/** The attempt whose log is followed, when it is one of the build. Throws NotFoundError. */
export async function followedLog(
  services: PageServices,
  caller: Caller,
  id: string,
): Promise<number | null> {
  return attemptOf(services, await shownBuild(services, caller, id));
}

const NOTHING = { text: "", skippedBytes: 0, endBytes: 0 };

async function attemptOf(
  { database, pageBuilds }: PageServices,
  { buildId }: ProjectBuildRow,
): Promise<number | null> {
  const link = buildId === null ? null : pageBuilds.anyLink(buildId);
  const build = link === null ? undefined : await findBuildFacts(database.kysely, link);
  return build === undefined ? null : findLogAttempt(database.kysely, build);
}

/** The last characters. Of a log that grows only whole lines: the rest of the last one comes with what follows. */
async function endOf({ logs }: PageServices, attempt: number, isOver: boolean) {
  let text = "";
  let endBytes = 0;
  let skippedBytes = 0;
  for await (const piece of logs.text(attempt)) {
    text += piece;
    endBytes += Buffer.byteLength(piece);
    if (text.length <= 2 * MAX_CHARACTERS) continue;
    [text, skippedBytes] = cut(text, skippedBytes);
  }
  if (text.length > MAX_CHARACTERS) [text, skippedBytes] = cut(text, skippedBytes);
  if (isOver) return { text, skippedBytes, endBytes };
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return {
    text: whole,
    skippedBytes,
    endBytes: endBytes - Buffer.byteLength(text.slice(whole.length)),
  };
}

/** Leaves out lines at the beginning. */
function cut(text: string, skippedBytes: number): [string, number] {
  const from = text.indexOf("\n", text.length - MAX_CHARACTERS) + 1;
  return [text.slice(from), skippedBytes + Buffer.byteLength(text.slice(0, from))];
}
