import type { Fencing, UsageRecord, WorkerId } from "@gradient/protocol";
import { organizationIdSchema } from "@gradient/protocol";
import { sql, type Updateable } from "kysely";
import { attemptTransitions, type AttemptState } from "../scheduler/attempt-state.ts";
import type { Grant } from "../scheduler/demand.ts";
import type { BuildState } from "../scheduler/build-state.ts";
import { moveOf } from "../scheduler/transition.ts";
import { batchesOf } from "./batches.ts";
import { buildStateOf, type Build } from "./build-repository.ts";
import type { AttemptsTable } from "./build-tables.ts";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import { reusable } from "./reusable-query.ts";

const insertPending = reusable(
  (_db, builds: readonly number[], now: number, memoryBytes: number | null) =>
    sql<{ number: number; build_id: number }>`
    insert into attempts (build_id, status, created_at, log_bytes, memory_bytes)
    select value, ${"pending" satisfies AttemptState}, ${now}, 0, ${memoryBytes} from json_each(${builds})
    returning number, build_id`,
);

/** Makes one pending attempt for each build, with memory of its own where it says so. Resolves to attempt numbers by build. */
export async function insertAttempts(
  db: Queries,
  builds: readonly number[],
  now: number,
  memoryBytes: number | null = null,
): Promise<Map<number, number>> {
  const { rows } = await insertPending(db, builds, now, memoryBytes);
  return new Map(rows.map((row) => [row.build_id, row.number]));
}

/** Records that `next` was made because `previous` came to no verdict. */
export async function linkRestart(db: Queries, previous: number, next: number): Promise<void> {
  await db
    .updateTable("attempts")
    .set({ restart_of: previous })
    .where("number", "=", next)
    .execute();
  await db
    .updateTable("attempts")
    .set({ restarted_as: next })
    .where("number", "=", previous)
    .execute();
}

const updateAllocation = reusable(
  (db, attempt: number, allocation: { cpu_count: number; allocated_bytes: number }) =>
    db.updateTable("attempts").set(allocation).where("number", "=", attempt),
);

/** What a worker that is offered the attempt gives it. */
export async function setAllocation(
  db: Queries,
  attempt: number,
  { cpuCount, reserved }: Grant,
): Promise<void> {
  await updateAllocation(db, attempt, {
    cpu_count: cpuCount,
    allocated_bytes: reserved.memoryBytes,
  });
}

const updateToRunning = reusable(
  (db, attempt: number, worker: WorkerId, fencing: Fencing, now: number) =>
    db
      .updateTable("attempts")
      .set({
        status: "running" satisfies AttemptState,
        worker_id: worker,
        fencing,
        assigned_at: now,
      })
      .where("number", "=", attempt)
      .where("status", "=", "pending" satisfies AttemptState),
);

/** False when the attempt is not pending. */
export async function startAttempt(
  db: Queries,
  attempt: number,
  worker: WorkerId,
  fencing: Fencing,
  now: number,
): Promise<boolean> {
  const { numAffectedRows } = await updateToRunning(db, attempt, worker, fencing, now);
  return (numAffectedRows ?? 0n) > 0n;
}

/** How an attempt ended. Times are milliseconds since the epoch, with the microseconds behind them; null where it never got there. */
export interface AttemptEnd {
  status: AttemptState;
  message: string | null;
  startedAt: number | null;
  startedUs?: number | undefined;
  stoppedAt: number | null;
  stoppedUs?: number | undefined;
  storedAt: number | null;
  usage: UsageRecord | null;
  /** What it made; null when it made nothing that was kept. */
  outputs: readonly AttemptOutput[] | null;
}

/** An output as it was verified. */
export interface AttemptOutput {
  readonly name: string;
  /** Base name. */
  readonly path: string;
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly narSize: number;
}

/** A usage record, and apart what lists show of it. Without one what was told while it ran stays. */
export function usageColumns(usage: UsageRecord | null) {
  if (usage === null) return {};
  const { cpuUserMs: user, cpuSystemMs: system, memoryPeakBytes, storagePeakBytes } = usage;
  return {
    usage_json: JSON.stringify(usage),
    cpu_time_ms: user === null || system === null ? null : user + system,
    memory_peak_bytes: memoryPeakBytes,
    storage_peak_bytes: storagePeakBytes,
  };
}

function outputColumns(outputs: readonly AttemptOutput[] | null) {
  if (outputs === null) return { outputs_json: null, output_nar_bytes: null };
  return {
    outputs_json: JSON.stringify(outputs),
    output_nar_bytes: outputs.reduce((sum, { narSize }) => sum + narSize, 0),
  };
}

const updateToEnded = reusable((db, attempt: number, end: Updateable<AttemptsTable>) =>
  db
    .updateTable("attempts")
    .set(end)
    .where("number", "=", attempt)
    .where("status", "=", "running" satisfies AttemptState),
);

/** Ends a running attempt. False when it does not run. */
export async function endAttempt(db: Queries, attempt: number, end: AttemptEnd): Promise<boolean> {
  const { numAffectedRows } = await updateToEnded(db, attempt, {
    status: end.status,
    message: end.message,
    ...(end.startedAt === null ? {} : { started_at: end.startedAt }),
    started_us: end.startedUs ?? 0,
    stopped_at: end.stoppedAt,
    stopped_us: end.stoppedUs ?? 0,
    stored_at: end.storedAt,
    ...usageColumns(end.usage),
    ...outputColumns(end.outputs),
  });
  return (numAffectedRows ?? 0n) > 0n;
}

const updateStarted = reusable((db, attempt: number, now: number) =>
  db
    .updateTable("attempts")
    .set({ started_at: now })
    .where("number", "=", attempt)
    .where("status", "=", "running" satisfies AttemptState)
    .where("started_at", "is", null),
);

const updateBuildStarted = reusable((db, attempt: number, now: number) =>
  db
    .updateTable("builds")
    .set({ started_at: now })
    .where("id", "=", (eb) =>
      eb.selectFrom("attempts").select("build_id").where("number", "=", attempt),
    )
    .where("state", "=", "Building" satisfies BuildState),
);

/** Notes that the build itself began, for those who watch. */
export async function markStarted(db: Queries, attempt: number, now: number): Promise<void> {
  await updateStarted(db, attempt, now);
  await updateBuildStarted(db, attempt, now);
}

/** What a running attempt has used so far. */
export interface FiguresSoFar {
  readonly cpuMs: number | null;
  readonly memoryPeakBytes: number | null;
  readonly storagePeakBytes: number | null;
}

/** Does nothing when the attempt has ended: its result says more. */
export async function noteFigures(
  db: Queries,
  attempt: number,
  { cpuMs, memoryPeakBytes, storagePeakBytes }: FiguresSoFar,
): Promise<void> {
  await db
    .updateTable("attempts")
    .set({
      cpu_time_ms: cpuMs,
      memory_peak_bytes: memoryPeakBytes,
      storage_peak_bytes: storagePeakBytes,
    })
    .where("number", "=", attempt)
    .where("status", "=", "running" satisfies AttemptState)
    .execute();
}

/** Bytes of the whole log, uncompressed: the file itself is stored compressed once the attempt has ended. */
export async function setLogBytes(db: Queries, attempt: number, logBytes: number): Promise<void> {
  await db
    .updateTable("attempts")
    .set({ log_bytes: logBytes })
    .where("number", "=", attempt)
    .execute();
}

/** Keeps what a late result measured; everything else of an ended attempt stays. */
export async function recordLateUsage(
  db: Queries,
  fencing: Fencing,
  worker: WorkerId,
  usage: UsageRecord,
): Promise<void> {
  await db
    .updateTable("attempts")
    .set(usageColumns(usage))
    .where("fencing", "=", fencing)
    .where("worker_id", "=", worker)
    .where("usage_json", "is", null)
    .where("status", "!=", "running" satisfies AttemptState)
    .execute();
}

/** Ends pending attempts of builds that nobody wants any more. Resolves to their numbers. */
export async function withdrawAttempts(
  db: Queries,
  builds: readonly number[],
  message: string,
  now: number,
  event: "withdrawn" | "deserted" = "withdrawn",
): Promise<number[]> {
  const status = attemptTransitions.pending[event];
  const numbers: number[] = [];
  for (const batch of batchesOf(builds)) {
    const rows = await db
      .updateTable("attempts")
      .set({ status, message, stopped_at: now })
      .where("build_id", "in", batch)
      .where("status", "=", "pending" satisfies AttemptState)
      .returning("number")
      .execute();
    numbers.push(...rows.map(({ number }) => number));
  }
  return numbers;
}

/** Notes of a running attempt that it is told to end because its client has gone. */
export async function markDeserted(db: Queries, attempt: number): Promise<void> {
  await db
    .updateTable("attempts")
    .set({ is_deserted: 1 })
    .where("number", "=", attempt)
    .where("status", "=", "running" satisfies AttemptState)
    .execute();
}

/** Ends a pending attempt that nobody could ever execute. False when it is not pending. */
export async function refuseAttempt(
  db: Queries,
  attempt: number,
  message: string,
  now: number,
): Promise<boolean> {
  const { from, to } = moveOf(attemptTransitions, "impossible");
  const { numUpdatedRows } = await db
    .updateTable("attempts")
    .set({ status: to, message, stopped_at: now })
    .where("number", "=", attempt)
    .where("status", "in", from)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** By its number; null when the build never had one. `memoryBytes` is what it must get, null when the usual estimate applies. */
export async function findNewestAttempt(
  db: Queries,
  build: number,
): Promise<{ number: number; memoryBytes: number | null } | null> {
  const row = await db
    .selectFrom("attempts")
    .select(["number", "memory_bytes"])
    .where("build_id", "=", build)
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : { number: row.number, memoryBytes: row.memory_bytes };
}

/** What can be told of attempts that failed. */
export async function findFailedAttempts(
  db: Queries,
  attempts: readonly number[],
): Promise<{ attempt: number; drvPath: string; message: string | null }[]> {
  const found: { attempt: number; drvPath: string; message: string | null }[] = [];
  for (const batch of batchesOf(attempts)) {
    const rows = await db
      .selectFrom("attempts")
      .innerJoin("builds", "builds.id", "attempts.build_id")
      .innerJoin("derivations", "derivations.id", "builds.derivation_id")
      .select(["attempts.number as attempt", "derivations.drv_path as drvPath", "attempts.message"])
      .where("attempts.number", "in", batch)
      .execute();
    found.push(...rows);
  }
  return found;
}

/** The newest attempt that made the build's outputs; null when none did. */
export async function findNewestBuiltAttempt(db: Queries, build: number): Promise<number | null> {
  const row = await db
    .selectFrom("attempts")
    .select("number")
    .where("build_id", "=", build)
    .where("status", "=", "built" satisfies AttemptState)
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.number ?? null;
}

/** An attempt with the build that it is for. */
export interface AttemptedBuild {
  readonly attempt: number;
  readonly build: Build;
  /** Base name. */
  readonly drvPath: string;
  /** Whether no later attempt of the build exists: only the newest says anything about the build. */
  readonly isNewest: boolean;
  /** It was told to end because its client had gone. */
  readonly isDeserted: boolean;
}

const selectAttemptedBuild = reusable((db, attempt: number) =>
  db
    .selectFrom("attempts")
    .innerJoin("builds", "builds.id", "attempts.build_id")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select((eb) => [
      "builds.id",
      "builds.derivation_id",
      "builds.organization_id",
      "builds.state",
      "builds.tries",
      "builds.is_announced",
      "derivations.drv_path",
      "attempts.is_deserted",
      eb
        .selectFrom("attempts as later")
        .select((count) => count.fn.max("later.number").as("newest"))
        .whereRef("later.build_id", "=", "builds.id")
        .as("newest"),
    ])
    .where("attempts.number", "=", attempt),
);

/** null for an attempt that does not exist, or whose build went with its organization. */
export async function findAttemptedBuild(
  db: Queries,
  attempt: number,
): Promise<AttemptedBuild | null> {
  const [row] = (await selectAttemptedBuild(db, attempt)).rows;
  if (row === undefined) return null;
  return {
    attempt,
    build: {
      id: row.id,
      derivation: row.derivation_id,
      organization: organizationIdSchema.parse(row.organization_id),
      state: buildStateOf(row.state),
      tries: row.tries,
      isAnnounced: row.is_announced === 1,
    },
    drvPath: row.drv_path,
    isNewest: row.newest === attempt,
    isDeserted: row.is_deserted === 1,
  };
}

/** Hot reads over attempts. They see what is committed. */
export interface AttemptReads {
  /** Unknown attempts count as ended. */
  isEnded(attempt: number): boolean;
  logBytes(attempt: number): number;
}

/** `isEnded` and `logBytes` cost one look-up by primary key each, and see nothing of an open transaction. */
export function prepareAttemptReads(database: Database): AttemptReads {
  const query: PreparedQuery<[number], { status: string; logBytes: number }> = database.prepare(
    `select status, log_bytes as "logBytes" from attempts where number = ?`,
  );
  return {
    isEnded: (attempt) => {
      const status = query.get(attempt)?.status;
      return status !== "pending" && status !== "running";
    },
    logBytes: (attempt) => query.get(attempt)?.logBytes ?? 0,
  };
}
