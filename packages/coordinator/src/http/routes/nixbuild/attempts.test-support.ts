import type { Queries } from "../../../db/client.ts";
import type { AttemptState } from "../../../scheduler/attempt-state.ts";
import type { TestServer } from "../../server.test-support.ts";

export interface AttemptSeed {
  organizationId: string;
  name: string;
  status: AttemptState;
  createdAt: number;
  /** Milliseconds behind the creation; null: never. */
  startedAfterMs?: number | null;
  durationMs?: number;
  /** Microseconds behind start and stop. */
  startedUs?: number;
  stoppedUs?: number;
  cpuMs?: number | null;
  cores?: number;
  tags?: Record<string, string>;
  message?: string | null;
  system?: string;
  /** Another attempt of the same derivation. */
  buildId?: number;
}

const NAR_HASH = "1".padEnd(52, "0");

/** Makes an organization that the token's owner administrates, and resolves to its id. */
export async function makeOrganization(
  server: TestServer,
  token: string,
  name: string,
): Promise<string> {
  await server.put("orgs", token, { name, display_name: name });
  return String((await server.get(`orgs/${name}`, token)).message.id);
}

export function drvOf(name: string): string {
  return `${name.padEnd(32, "0").replace(/[^0-9a-df-np-sv-z]/g, "x")}-${name}.drv`;
}

/** An attempt with its derivation and build. Resolves to the numbers of attempt and build. */
export async function seedAttempt(
  db: Queries,
  seed: AttemptSeed,
): Promise<{ number: number; build: number }> {
  const build = seed.buildId ?? (await seedBuild(db, seed));
  const { startedAfterMs = 1000, durationMs = 2000, cpuMs = 2500 } = seed;
  const isEnded = seed.status !== "pending" && seed.status !== "running";
  const startedAt =
    seed.status === "pending" || startedAfterMs === null ? null : seed.createdAt + startedAfterMs;
  const hasRun = isEnded && startedAt !== null;
  const output = {
    name: "out",
    path: drvOf(seed.name).slice(0, -4),
    narHash: NAR_HASH,
    narSize: 4096,
  };
  const { number } = await db
    .insertInto("attempts")
    .values({
      build_id: build,
      status: "pending",
      created_at: seed.createdAt,
      log_bytes: 0,
      cpu_count: seed.status === "pending" ? null : (seed.cores ?? 4),
      allocated_bytes: seed.status === "pending" ? null : 2 * 2 ** 30,
    })
    .returning("number")
    .executeTakeFirstOrThrow();
  if (seed.status === "pending") return { number, build };
  await db
    .updateTable("attempts")
    .set({
      status: seed.status,
      message: seed.message ?? null,
      started_at: startedAt,
      started_us: seed.startedUs ?? 0,
      stopped_us: seed.stoppedUs ?? 0,
      stopped_at: isEnded ? (startedAt ?? seed.createdAt) + (hasRun ? durationMs : 0) : null,
      cpu_time_ms: hasRun ? cpuMs : null,
      memory_peak_bytes: hasRun ? 5_000_000 : null,
      storage_peak_bytes: hasRun ? 8192 : null,
      ...(seed.status === "built"
        ? { outputs_json: JSON.stringify([output]), output_nar_bytes: output.narSize }
        : {}),
    })
    .where("number", "=", number)
    .execute();
  return { number, build };
}

async function seedBuild(db: Queries, seed: AttemptSeed): Promise<number> {
  const derivation = await db
    .insertInto("derivations")
    .values({
      organization_id: seed.organizationId,
      drv_path: drvOf(seed.name),
      name: seed.name,
      system: seed.system ?? "x86_64-linux",
      required_features_json: "[]",
      is_fixed_output: 0,
      facts_json: JSON.stringify({ tags: seed.tags ?? {} }),
      created_at: seed.createdAt,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  const build = await db
    .insertInto("builds")
    .values({
      organization_id: seed.organizationId,
      derivation_id: derivation.id,
      state: "Queued",
      unmet_dependencies: 0,
      created_at: seed.createdAt,
      updated_at: seed.createdAt,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return build.id;
}
