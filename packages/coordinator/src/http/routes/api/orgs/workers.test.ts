import { organizationIdSchema, workerIdSchema } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256Hex } from "../../../../auth/random-token.ts";
import type { LiveWorker } from "../../../../ports.ts";
import { seedEvaluation } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const WORKER = "550e8400-e29b-41d4-a716-446655440001";
const TOKEN = Buffer.alloc(48, 1).toString("base64");

let server: TestServer;
let alice: string;
let bob: string;
let peerId: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  peerId = (await server.get("orgs/acme", alice)).message.id;
});
afterAll(() => server[Symbol.asyncDispose]());

function connected(organizations: string[]): LiveWorker {
  return {
    worker: workerIdSchema.parse(WORKER),
    capabilities: { fetch: true, eval: false, build: true },
    systems: ["x86_64-linux"],
    systemFeatures: ["kvm"],
    maxConcurrentBuilds: 8,
    assignedCount: 2,
    isDraining: false,
    authorized: new Set(organizations.map((id) => organizationIdSchema.parse(id))),
  };
}

const liveFields = {
  capabilities: {
    core: true,
    federate: false,
    fetch: true,
    eval: false,
    build: true,
    cache: false,
  },
  architectures: ["x86_64-linux"],
  system_features: ["kvm"],
  max_concurrent_builds: 8,
  assigned_job_count: 2,
  draining: false,
};

test("a registered worker gets a token once, and the farm is told", async () => {
  const answer = await server.post("orgs/acme/workers", alice, { worker_id: WORKER.toUpperCase() });
  expect(answer.message).toEqual({
    peer_id: peerId,
    token: expect.stringMatching(/^[A-Za-z0-9+/]{64}$/),
  });
  expect(server.calls.registrationsChanged).toEqual([WORKER]);
  const row = await server.services.database.kysely
    .selectFrom("worker_registrations")
    .select("token_hash")
    .executeTakeFirstOrThrow();
  expect(row.token_hash).toBe(sha256Hex(answer.message.token));
  const again = await server.post("orgs/acme/workers", alice, { worker_id: WORKER });
  expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
});

test("a token that is given is not repeated, and nulls are taken", async () => {
  const answer = await server.post("orgs/acme/workers", alice, {
    worker_id: "550e8400-e29b-41d4-a716-446655440002",
    display_name: "second",
    url: null,
    token: `${TOKEN}\n`,
    enable_eval: false,
  });
  expect(answer.message).toEqual({ peer_id: peerId });
});

test.each([
  [400, { worker_id: "build-01" }],
  [400, { worker_id: "019a0000-0000-7000-8000-000000000001" }],
  [400, { worker_id: WORKER, token: "short" }],
  [422, {}],
])("a wrong registration is refused: %i %j", async (status, body) => {
  expect((await server.post("orgs/acme/workers", alice, body)).status).toBe(status);
});

test("workers are listed with what is live for this organization", async () => {
  server.live.push(connected([peerId]));
  const { message } = await server.get("orgs/acme/workers", alice);
  expect(message[0]).toEqual({
    worker_id: WORKER,
    display_name: "",
    registered_at: expect.stringMatching(/Z$/),
    active: true,
    url: null,
    created_by: expect.any(String),
    enable_fetch: true,
    enable_eval: true,
    enable_build: true,
    is_base: false,
    live: liveFields,
  });
  expect(message[1]).toMatchObject({ display_name: "second", enable_eval: false, live: null });
  server.live.splice(0, 1, connected([]));
  expect((await server.get("orgs/acme/workers", alice)).message[0].live).toBeNull();
  expect((await server.get("orgs/acme/workers", bob)).status).toBe(404);
  const blind = await server.key(alice, { permissions: ["viewOrg"] });
  expect((await server.get("orgs/acme/workers", blind)).status).toBe(403);
});

test("a worker can be tested, and says what is wrong", async () => {
  const path = `orgs/acme/workers/${WORKER}/test`;
  server.live.splice(0, 1, connected([peerId]));
  expect((await server.post(path, alice)).message).toMatchObject({
    ok: true,
    connected: true,
    authorized_for_organization: true,
    round_trip_ms: 12,
  });
  server.live.splice(0, 1, connected([]));
  expect((await server.post(path, alice)).message).toMatchObject({
    ok: false,
    connected: true,
    authorized_for_organization: false,
    message: expect.stringContaining("token"),
  });
  server.live.splice(0, 1);
  expect((await server.post(path, alice)).message).toMatchObject({
    ok: false,
    connected: false,
    round_trip_ms: null,
    message: expect.stringContaining("not connected"),
  });
  expect((await server.post(path, bob)).status).toBe(404);
  const unknown = "550e8400-e29b-41d4-a716-44665544ffff";
  expect((await server.post(`orgs/acme/workers/${unknown}/test`, alice)).status).toBe(404);
});

test("what a worker did is told hour by hour, of this organization only", async () => {
  await server.put("projects/acme", alice, {
    name: "site",
    display_name: "Site",
    repository: "https://example.org/site.git",
    wildcard: "*",
  });
  const { message: project } = await server.get("projects/acme/site", alice);
  const { kysely } = server.services.database;
  await seedEvaluation(kysely, { organizationId: peerId, projectId: project.id, userId: null });
  const hour = Math.floor(server.services.clock.now() / 3_600_000) * 3_600_000;
  const attempts = await kysely
    .updateTable("attempts")
    .set({
      worker_id: WORKER,
      status: "built",
      assigned_at: hour - 3_600_000,
      stopped_at: hour - 1_800_000,
    })
    .returning("number")
    .execute();
  expect(attempts.length).toBeGreaterThan(1);
  const path = `orgs/acme/workers/${WORKER}/metrics`;
  const { message } = await server.get(path, alice);
  expect(message.jobs_dispatched).toBe(attempts.length);
  expect(message.samples).toHaveLength(2);
  expect(message.samples[0]).toEqual({
    at: new Date(hour - 3_600_000).toISOString(),
    assigned_jobs: attempts.length / 2,
    ended: attempts.length,
    built: attempts.length,
  });
  expect((await server.get(path, bob)).status).toBe(404);
  await server.put("orgs", bob, { name: "bobs", display_name: "Bobs" });
  await server.post("orgs/bobs/workers", bob, { worker_id: WORKER });
  const others = await server.get(`orgs/bobs/workers/${WORKER}/metrics`, bob);
  expect(others.message.jobs_dispatched).toBe(0);
  await server.delete(`orgs/bobs/workers/${WORKER}`, bob);
});

test("a registration can be switched off, and removed", async () => {
  server.calls.registrationsChanged.length = 0;
  const path = `orgs/acme/workers/${WORKER}`;
  expect((await server.patch(path, alice, { active: false, enable_build: false })).status).toBe(
    200,
  );
  const { message } = await server.get("orgs/acme/workers", alice);
  expect(message[0]).toMatchObject({ active: false, enable_build: false, enable_fetch: true });
  expect((await server.patch(path, bob, { active: true })).status).toBe(404);
  expect((await server.delete(path, alice)).status).toBe(200);
  expect(server.calls.registrationsChanged).toEqual([WORKER, WORKER]);
  expect((await server.delete(path, alice)).status).toBe(404);
  expect((await server.patch(path, alice, { active: true })).status).toBe(404);
});

test("all connected workers are for superusers, or for all where the setting says so", async () => {
  server.live.splice(0, 1, connected([peerId]));
  const root = await server.user("root1", true);
  const { message } = await server.get("admin/workers", root);
  expect(message).toEqual([
    {
      id: WORKER,
      ...liveFields,
      authorized_peers: [peerId],
      public_key: null,
      pending_public_key: null,
    },
  ]);
  const refused = await server.get("admin/workers", alice);
  expect([refused.status, refused.json?.code]).toEqual([403, "superuser_required"]);
  expect((await server.get("admin/workers")).status).toBe(401);
  await using open = await openTestServer({ env: { GRADIENT_GLOBAL_STATS_PUBLIC: "true" } });
  expect((await open.get("admin/workers", await open.user("user1"))).status).toBe(200);
});
