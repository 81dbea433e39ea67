import { sql } from "kysely";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeOrganization, seedAttempt } from "../http/routes/nixbuild/attempts.test-support.ts";
import { openTestServer, type TestServer } from "../http/server.test-support.ts";
import { recordLateUsage } from "./attempt-repository.ts";
import { addEvaluationTags } from "./tag-repository.ts";
import { COUNT_ALL } from "./migrations/0030-microseconds.ts";
import { fencingSchema, usageRecordSchema, workerIdSchema } from "@gradient/protocol";

const DAY = Date.UTC(2026, 5, 10);
const WORKER = "550e8400-e29b-41d4-a716-446655440001";

let server: TestServer;
let acme: string;

beforeEach(async () => {
  server = await openTestServer();
  acme = await makeOrganization(server, await server.user("alice"), "acme");
});
afterEach(() => server[Symbol.asyncDispose]());

const db = () => server.services.database.kysely;

async function sums(): Promise<object[]> {
  return db().selectFrom("attempt_sums").selectAll().execute();
}

/** What the sums are when they are counted anew. */
async function countedAnew(): Promise<object[]> {
  await db().deleteFrom("attempt_sums").execute();
  await sql.raw(COUNT_ALL).execute(db());
  return sums();
}

async function addEvaluation(state: string, tags: Record<string, string>): Promise<string> {
  const id = uuidv7();
  await db()
    .insertInto("evaluations")
    .values({
      id,
      organization_id: acme,
      repository: "r",
      wildcard: "*",
      state,
      created_at: DAY,
      updated_at: DAY,
    })
    .execute();
  await addEvaluationTags(db(), { id, organizationId: acme, tags });
  return id;
}

const link = (evaluation: string, build: number) =>
  db()
    .insertInto("evaluation_builds")
    .values({ id: uuidv7(), evaluation_id: evaluation, build_id: build })
    .execute();

const tagsOf = async (number: number): Promise<unknown> =>
  server.services.nixbuildBuilds.build(number)?.tags;

test("sums that were kept are the sums counted anew", async () => {
  const tags = { A: "1", B: "2" };
  for (const [at, status] of (
    ["built", "build_failed", "out_of_memory", "running", "built"] as const
  ).entries()) {
    await seedAttempt(db(), {
      organizationId: acme,
      name: `p${at}`,
      status,
      createdAt: DAY + at * 1_800_000,
      startedUs: 17 * at,
      stoppedUs: 999 - at,
      cpuMs: at === 1 ? null : 1234.5,
      tags: at < 3 ? tags : {},
    });
  }
  const kept = await sums();
  expect(kept).not.toEqual([]);
  expect(kept).toEqual(await countedAnew());
});

test("a usage record that comes late is added once", async () => {
  const seed = { organizationId: acme, createdAt: DAY, tags: { A: "1" } };
  const { number } = await seedAttempt(db(), {
    ...seed,
    name: "late",
    status: "internal_error",
    cpuMs: null,
  });
  await db()
    .updateTable("attempts")
    .set({ fencing: 7, worker_id: WORKER })
    .where("number", "=", number)
    .execute();
  const usage = usageRecordSchema.parse({
    cpuQuality: "exact",
    memoryQuality: "none",
    wallMs: 100,
    cpuUserMs: 60_000,
    cpuSystemMs: 1,
    coresAverage: null,
    memoryPeakBytes: null,
    memoryRawPeakBytes: null,
    memoryLimitBytes: null,
    oomKills: null,
    cpuThrottledMs: null,
    ioReadBytes: null,
    ioWriteBytes: null,
    processesPeak: null,
    source: "x",
    series: [],
  });
  for (const _ of ["once", "again"]) {
    await recordLateUsage(db(), fencingSchema.parse(7), workerIdSchema.parse(WORKER), usage);
  }
  const kept = await sums();
  expect(kept.every((sum) => Reflect.get(sum, "measured_seconds") === 61)).toBe(true);
  expect(kept).toEqual(await countedAnew());
});

test("an attempt has the tags of the evaluations that wait for it, and its derivation's go before theirs", async () => {
  const { number, build } = await seedAttempt(db(), {
    organizationId: acme,
    name: "shared",
    status: "running",
    createdAt: DAY,
    tags: { OWN: "derivation" },
  });
  await link(await addEvaluation("Building", { RUN: "1", OWN: "evaluation" }), build);
  expect(await tagsOf(number)).toEqual({ OWN: "derivation", RUN: "1" });
});

test("what was built before is not work of a later evaluation", async () => {
  const seed = { organizationId: acme, name: "reused", createdAt: DAY } as const;
  const { number, build } = await seedAttempt(db(), { ...seed, status: "built" });
  await link(await addEvaluation("Building", { RUN: "2" }), build);
  expect(await tagsOf(number)).toEqual({});
});

test("another attempt has the tags of the evaluations that still want it", async () => {
  const seed = { organizationId: acme, name: "again", createdAt: DAY } as const;
  const { build } = await seedAttempt(db(), { ...seed, status: "out_of_memory" });
  await link(await addEvaluation("Building", { RUN: "3" }), build);
  await link(await addEvaluation("Completed", { OLD: "1" }), build);
  const next = await seedAttempt(db(), { ...seed, status: "pending", buildId: build });
  expect(await tagsOf(next.number)).toEqual({ RUN: "3" });
});
