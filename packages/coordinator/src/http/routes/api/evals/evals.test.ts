import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Seed } from "../../../seed.test-support.ts";
import type { TestServer } from "../../../server.test-support.ts";
import { MISSING, openEvaluationScene, type PlayedLogs } from "./scene.test-support.ts";

let server: TestServer;
let logs: PlayedLogs;
let alice: string;
let bob: string;
let seed: Seed;

beforeAll(async () => {
  ({ server, logs, alice, bob, seed } = await openEvaluationScene());
});
afterAll(() => server[Symbol.asyncDispose]());

const setEvaluation = (change: { state: string; waiting_reason_json?: string | null }) =>
  server.services.database.kysely
    .updateTable("evaluations")
    .set(change)
    .where("id", "=", seed.evaluationId)
    .execute();

const setPublic = (isPublic: 0 | 1) =>
  server.services.database.kysely.updateTable("organizations").set({ public: isPublic }).execute();

describe("an evaluation", () => {
  test("has every field that clients want", async () => {
    const { message } = await server.get(`evals/${seed.evaluationId}`, alice);
    expect(message).toEqual({
      id: seed.evaluationId,
      project: expect.any(String),
      project_name: "tools",
      project_display_name: "Tools",
      repository: "https://example.com/r.git",
      commit: "a".repeat(40),
      commit_id: seed.commitId,
      wildcard: "packages.*",
      status: "Building",
      previous: null,
      next: null,
      created_at: "2025-11-22T00:00:00.000Z",
      updated_at: "2025-11-22T00:00:01.000Z",
      error_count: 2,
      warning_count: 1,
      error: "packages.throws: it throws\nsecond",
      entry_points: [
        { id: seed.app.id, eval: "packages.app", build_status: "Queued" },
        { id: seed.broken.id, eval: 'packages."bro.ken"', build_status: "FailedPermanent" },
      ],
      trigger: null,
      triggered_by: "User alice",
      pr_number: null,
    });
  });

  test("says why it waits, as long as it does", async () => {
    const reasons = [
      { kind: "no_cache" },
      { kind: "cache_storage_full" },
      { kind: "draining" },
      { kind: "aborting" },
      { kind: "eval_workers", capability: "fetch", connected_workers: 0 },
      { kind: "approval", pr_number: 7, pr_author: "eve" },
      { kind: "graph_stuck", pending_anchors: 3 },
      {
        kind: "workers",
        unmet: [{ architecture: "riscv64-linux", required_features: ["kvm"], build_count: 2 }],
        connected_workers: 1,
        available_architectures: ["x86_64-linux"],
      },
    ];
    for (const reason of reasons) {
      await setEvaluation({ state: "Waiting", waiting_reason_json: JSON.stringify(reason) });
      const { message } = await server.get(`evals/${seed.evaluationId}`, alice);
      expect([message.status, message.waiting_reason]).toEqual(["Waiting", reason]);
    }
    await setEvaluation({ state: "Building" });
    const { message } = await server.get(`evals/${seed.evaluationId}`, alice);
    expect(message).not.toHaveProperty("waiting_reason");
    await setEvaluation({ state: "Building", waiting_reason_json: null });
  });

  test("knows its neighbours in the project", async () => {
    const kysely = server.services.database.kysely;
    const {
      id: _id,
      number: _number,
      ...row
    } = await kysely.selectFrom("evaluations").selectAll().executeTakeFirstOrThrow();
    const older = "00000000-0000-7000-8000-000000000001";
    const newer = "fffffffe-0000-7000-8000-000000000000";
    for (const id of [older, newer]) {
      await kysely
        .insertInto("evaluations")
        .values({ ...row, id })
        .execute();
    }
    const { previous, next } = (await server.get(`evals/${seed.evaluationId}`, alice)).message;
    const first = (await server.get(`evals/${older}`, alice)).message;
    await kysely.deleteFrom("evaluations").where("id", "in", [older, newer]).execute();
    expect([previous, next]).toEqual([older, newer]);
    expect([first.previous, first.next]).toEqual([null, seed.evaluationId]);
  });

  test("of a private organization does not exist for others", async () => {
    const stranger = await server.get(`evals/${seed.evaluationId}`, bob);
    expect([stranger.status, stranger.message]).toEqual([
      404,
      `evaluation ${seed.evaluationId} does not exist`,
    ]);
    expect((await server.get(`evals/${seed.evaluationId}`)).status).toBe(404);
    expect((await server.get(`evals/${MISSING}`, alice)).status).toBe(404);
  });

  test("of a public organization can be read by everybody and ended by members only", async () => {
    await setPublic(1);
    expect((await server.get(`evals/${seed.evaluationId}`)).status).toBe(200);
    expect((await server.get(`evals/${seed.evaluationId}/builds`)).status).toBe(200);
    const abort = (token?: string) =>
      server.post(`evals/${seed.evaluationId}`, token, { method: "abort" });
    expect([(await abort()).status, (await abort(bob)).status]).toEqual([401, 404]);
    expect((await server.post(`evals/${seed.evaluationId}/builds`)).status).toBe(401);
    expect((await server.post(`evals/${seed.evaluationId}/builds`, bob)).status).toBe(404);
    await setPublic(0);
  });

  test("is aborted by the farm", async () => {
    const path = `evals/${seed.evaluationId}`;
    expect((await server.post(path, alice, { method: "abort" })).message).toBe("Success");
    expect(server.calls.aborted).toEqual([seed.evaluationId]);
    expect((await server.post(path, alice, { method: "other" })).status).toBe(400);
    expect((await server.post(path, alice, {})).status).toBe(422);
    const key = await server.key(alice, { permissions: ["viewOrg"] });
    expect((await server.post(path, key, { method: "abort" })).status).toBe(403);
  });
});

describe("messages of an evaluation", () => {
  test("come oldest first, with the entry points that they are about", async () => {
    const { kysely } = server.services.database;
    const about = (attribute: string[]) => ({
      evaluation_id: seed.evaluationId,
      level: "Notice" as const,
      text: "about one",
      attribute_json: JSON.stringify(attribute),
      created_at: 1_763_769_601_000,
    });
    await kysely
      .insertInto("evaluation_messages")
      .values([about(["packages", "app"]), about(["packages", "throws"])])
      .execute();
    const { message } = await server.get(`evals/${seed.evaluationId}/messages`, alice);
    await kysely.deleteFrom("evaluation_messages").where("level", "=", "Notice").execute();
    const row = (level: string, text: string) => ({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      level,
      message: text,
      source: null,
      created_at: "2025-11-22T00:00:00.000Z",
      entry_points: [],
    });
    const late = { ...row("Notice", "about one"), created_at: "2025-11-22T00:00:01.000Z" };
    expect(message).toEqual([
      row("Error", "packages.throws: it throws"),
      row("Warning", "old style"),
      row("Error", "second"),
      { ...late, source: "packages.app", entry_points: [seed.app.id] },
      { ...late, source: "packages.throws" },
    ]);
    const ids = message.map((each: { id: string }) => each.id);
    expect(new Set(ids).size).toBe(5);
  });

  test("of a private organization do not exist for others", async () => {
    for (const path of ["messages", "artefacts"]) {
      expect((await server.get(`evals/${seed.evaluationId}/${path}`, bob)).status).toBe(404);
      expect((await server.get(`evals/${seed.evaluationId}/${path}`)).status).toBe(404);
      expect((await server.get(`evals/${MISSING}/${path}`, alice)).status).toBe(404);
    }
  });
});

test("an evaluation is approved by who may start one, and by nobody else", async () => {
  const path = `evals/${seed.evaluationId}`;
  const { id: by } = (await server.get("user", alice)).message;
  expect((await server.post(path, alice, { method: "approve" })).message).toBe("Success");
  expect(server.calls.approved).toEqual([{ id: seed.evaluationId, by }]);
  const key = await server.key(alice, { permissions: ["viewOrg"] });
  expect((await server.post(path, key, { method: "approve" })).status).toBe(403);
  expect((await server.post(path, bob, { method: "approve" })).status).toBe(404);
});

test("an evaluation says what started it, of which pull request, and what it waits for", async () => {
  const trigger = { id: MISSING, type: "reporter_pull_request" } as const;
  const reason = { kind: "approval", pr_number: 7, pr_author: "ann" };
  const set = (change: object) =>
    server.services.database.kysely
      .updateTable("evaluations")
      .set(change)
      .where("id", "=", seed.evaluationId)
      .execute();
  await set({
    state: "Waiting",
    waiting_reason_json: JSON.stringify(reason),
    commit_id: null,
    revision: "b".repeat(40),
    trigger_id: trigger.id,
    trigger_type: trigger.type,
    pr_number: 7,
  });
  expect((await server.get(`evals/${seed.evaluationId}`, alice)).message).toMatchObject({
    trigger,
    pr_number: 7,
    commit: "b".repeat(40),
    waiting_reason: reason,
  });
  const { message: details } = await server.get("projects/acme/tools/details", alice);
  expect(details.last_evaluations[0]).toMatchObject({ trigger, pr_number: 7 });
  await set({ state: "Building", waiting_reason_json: null, commit_id: seed.commitId });
});

describe("builds of an evaluation", () => {
  const list = (query = "") => server.get(`evals/${seed.evaluationId}/builds${query}`, alice);

  test("are listed with what they used", async () => {
    const { message } = await list();
    expect(message.total).toBe(4);
    expect(message.active_count).toBe(3);
    expect(message.builds.map((build: { status: string }) => build.status)).toEqual([
      "Building",
      "Queued",
      "FailedPermanent",
      "Completed",
    ]);
    expect(message.builds[3]).toEqual({
      id: seed.base.id,
      name: seed.base.drvPath,
      status: "Completed",
      has_artefacts: false,
      updated_at: "2025-11-22T00:00:00.500Z",
      build_time_ms: 2000,
      cpu_time_ms: 1750,
      peak_memory_bytes: 1_048_576,
    });
    expect(message.builds[0]).toMatchObject({
      build_time_ms: null,
      cpu_time_ms: null,
      peak_memory_bytes: null,
    });
  });

  test("come in the order of their states, and what is not done counts as active", async () => {
    const { kysely } = server.services.database;
    const set = (build: { derivationId: number }, state: string) =>
      kysely
        .updateTable("builds")
        .set({ state })
        .where("derivation_id", "=", build.derivationId)
        .execute();
    const order = async () => {
      const { builds, active_count } = (await list()).message;
      return [builds.map((build: { status: string }) => build.status), active_count];
    };
    await set(seed.base, "Substituted");
    await set(seed.lib, "Aborted");
    await set(seed.app, "FailedTimeout");
    await set(seed.broken, "Queued");
    expect(await order()).toEqual([["Queued", "FailedTimeout", "Aborted", "Substituted"], 3]);
    await set(seed.base, "DependencyFailed");
    await set(seed.lib, "Building");
    await set(seed.app, "FailedTransient");
    await set(seed.broken, "Completed");
    expect(await order()).toEqual([
      ["Building", "FailedTransient", "DependencyFailed", "Completed"],
      3,
    ]);
    await set(seed.base, "Completed");
    await set(seed.app, "Created");
    await set(seed.broken, "FailedPermanent");
  });

  test("come in parts, and limited to what one of them needs", async () => {
    const part = await list("?limit=2&offset=1");
    expect(part.message.builds.map((build: { id: string }) => build.id)).toEqual([
      seed.app.id,
      seed.broken.id,
    ]);
    expect(part.message.total).toBe(4);
    const scoped = await list(`?scope=${seed.lib.id}`);
    expect(scoped.message.builds.map((build: { id: string }) => build.id)).toEqual([
      seed.lib.id,
      seed.base.id,
    ]);
    expect(scoped.message.total).toBe(2);
    expect((await list(`?scope=${MISSING}`)).status).toBe(404);
    expect((await list("?limit=-1")).status).toBe(400);
  });

  test("that have said nothing yet begin to stream at once", async () => {
    logs.texts.clear();
    logs.appended = "";
    const gone = new AbortController();
    const answer = await fetch(`${server.url}/api/v1/evals/${seed.evaluationId}/builds`, {
      method: "POST",
      headers: { authorization: `Bearer ${alice}` },
      signal: gone.signal,
    });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([
      200,
      "application/x-ndjson",
    ]);
    gone.abort();
  });

  test("stream their logs, each line with its derivation's name", async () => {
    logs.texts.set(seed.base.attempt ?? 0, "one\ntwo\n");
    logs.texts.set(seed.lib.attempt ?? 0, "half");
    logs.appended = " line\nlast";
    await setEvaluation({ state: "Completed" });
    const answer = await server.post(`evals/${seed.evaluationId}/builds`, alice);
    await setEvaluation({ state: "Building" });
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
    expect(answer.headers.get("x-accel-buffering")).toBe("no");
    const frames = answer.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as string);
    expect(frames.every((frame) => frame.endsWith("\n"))).toBe(true);
    const lines = frames.join("").split("\n");
    expect(lines).toContain("base> one");
    expect(lines).toContain("base> two");
    expect(lines).toContain("lib> half line");
    expect(lines).toContain("lib> last");
  });
});

test("the evaluations of a project are listed, the newest first, as many as are asked for", async () => {
  const { kysely } = server.services.database;
  const list = async (query = "") =>
    (await server.get(`projects/acme/tools/evaluations${query}`, alice)).message;
  const details = (await server.get("projects/acme/tools/details", alice)).message;
  expect(await list()).toEqual(details.last_evaluations);
  const {
    id: _id,
    number: _number,
    ...row
  } = await kysely.selectFrom("evaluations").selectAll().executeTakeFirstOrThrow();
  const newer = "01ffffff-0000-7000-8000-000000000000";
  await kysely
    .insertInto("evaluations")
    .values({ ...row, id: newer, created_at: row.created_at + 1 })
    .execute();
  const ids = (await list()).map((each: { id: string }) => each.id);
  const first = (await list("?limit=1")).map((each: { id: string }) => each.id);
  await kysely.deleteFrom("evaluations").where("id", "=", newer).execute();
  expect(ids).toEqual([newer, seed.evaluationId]);
  expect(first).toEqual([newer]);
  expect((await server.get("projects/acme/tools/evaluations?limit=0", alice)).status).toBe(400);
  expect((await server.get("projects/acme/tools/evaluations", bob)).status).toBe(404);
});

test("a commit is shown to who may see one of its evaluations", async () => {
  const { message } = await server.get(`commits/${seed.commitId}`, alice);
  expect(message).toEqual({
    id: seed.commitId,
    message: "\n  Fix the thing\n\nlong text",
    hash: "a".repeat(40),
    author: null,
    author_name: "Ann",
  });
  expect((await server.get(`commits/${seed.commitId}`, bob)).status).toBe(404);
  expect((await server.get(`commits/${seed.commitId}`)).status).toBe(404);
  expect((await server.get(`commits/${MISSING}`, alice)).status).toBe(404);
});
