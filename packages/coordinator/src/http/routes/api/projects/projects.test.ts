import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  BadRequestError,
  ConflictError,
  NoFetchWorkerError,
  RepositoryUnreachableError,
} from "../../../../errors.ts";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { HEAD, openTestServer, type TestServer } from "../../../server.test-support.ts";

const EVALUATION = "019a0000-0000-7000-8000-000000000001";

let server: TestServer;
let alice: string;
let bob: string;
let viewer: string;

const request = {
  name: "tools",
  display_name: "Tools",
  repository: "https://example.com/tools.git",
  wildcard: "packages.*",
};

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  viewer = await server.user("viewer");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
  await server.put("projects/acme", alice, request);
});
afterAll(() => server[Symbol.asyncDispose]());

describe("projects", () => {
  test("have every field that clients want", async () => {
    const { message } = await server.get("projects/acme/tools", viewer);
    const { message: org } = await server.get("orgs/acme", alice);
    expect(message).toEqual({
      id: expect.any(String),
      organization: org.id,
      created_by: org.created_by,
      name: "tools",
      display_name: "Tools",
      description: "",
      repository: "https://example.com/tools.git",
      wildcard: "packages.*",
      active: true,
      managed: false,
      force_evaluation: false,
      sign_cache: true,
      can_edit: false,
      can_trigger: false,
      last_evaluation: null,
      last_evaluation_status: null,
      keep_evaluations: 30,
      concurrency: "soft_abort",
      created_at: expect.stringMatching(/Z$/),
    });
    expect((await server.get("projects/acme/tools", alice)).message.can_edit).toBe(true);
  });

  test("say whether their paths are signed", async () => {
    const sign = (sign_cache: boolean) =>
      server.patch("projects/acme/tools", alice, { sign_cache });
    const signs = async () => (await server.get("projects/acme/tools", alice)).message.sign_cache;
    expect([(await sign(false)).status, await signs()]).toEqual([200, false]);
    expect([(await sign(true)).status, await signs()]).toEqual([200, true]);
  });

  test("are listed page by page", async () => {
    const { message } = await server.get("projects/acme", viewer);
    expect(message).toMatchObject({ total: 1, page: 1, per_page: 50, items: [{ name: "tools" }] });
  });

  test("of a private organization do not exist for others", async () => {
    for (const path of ["projects/acme", "projects/acme/tools", "projects/acme/tools/details"]) {
      expect((await server.get(path, bob)).status).toBe(404);
      expect((await server.get(path)).status).toBe(404);
    }
    expect((await server.get("projects/acme/nothing", alice)).status).toBe(404);
  });

  test.each([
    [400, "invalid_name", { name: "build-request" }],
    [400, "invalid_name", { name: "Tools" }],
    [400, "bad_request", { name: "x", repository: "file:///etc" }],
    [400, "bad_request", { name: "x", repository: "nothing" }],
    [400, "bad_request", { name: "x", wildcard: "a,,b" }],
    [409, "already_exists", {}],
    [422, "unprocessable_entity", { name: "x", concurrency: "some" }],
  ])("with a wrong field are not made: %i %s %j", async (status, code, change) => {
    const answer = await server.put("projects/acme", alice, { ...request, ...change });
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
  });

  test("need the right to be made", async () => {
    expect((await server.put("projects/acme", viewer, { ...request, name: "y" })).status).toBe(403);
    expect((await server.put("projects/acme", bob, { ...request, name: "y" })).status).toBe(404);
    expect((await server.put("projects/acme", undefined, { ...request, name: "y" })).status).toBe(
      401,
    );
  });

  test("can be changed, switched off and on, and deleted", async () => {
    await server.put("projects/acme", alice, { ...request, name: "second" });
    const path = "projects/acme/second";
    expect((await server.patch(path, alice, { name: "second", keep_evaluations: 5 })).status).toBe(
      200,
    );
    expect((await server.get(path, alice)).message).toMatchObject({
      keep_evaluations: 5,
      force_evaluation: true,
    });
    expect((await server.patch(path, alice, { keep_evaluations: 31 })).status).toBe(400);
    expect((await server.patch(path, alice, { name: "tools" })).status).toBe(409);
    expect((await server.patch(path, viewer, { wildcard: "*" })).status).toBe(403);
    expect((await server.delete(`${path}/active`, alice)).status).toBe(200);
    expect((await server.get(path, alice)).message.active).toBe(false);
    expect((await server.post(`${path}/active`, alice)).status).toBe(200);
    expect((await server.get(path, alice)).message.active).toBe(true);
    expect((await server.post(`${path}/active`, viewer)).status).toBe(403);
    expect((await server.delete(path, viewer)).status).toBe(403);
    expect((await server.delete(path, alice)).status).toBe(200);
    expect((await server.get(path, alice)).status).toBe(404);
  });
});

describe("evaluate", () => {
  const path = "projects/acme/tools/evaluate";

  test("starts an evaluation, with or without a body, and answers with its id", async () => {
    const { id } = (await server.get("projects/acme/tools", alice)).message;
    const { id: userId } = (await server.get("user", alice)).message;
    expect((await server.post(path, alice)).message).toBe(EVALUATION);
    expect((await server.post(path, alice, {})).message).toBe(EVALUATION);
    const started = { projectId: id, triggeredBy: userId, revision: HEAD, reference: null };
    const settings = { reusesFailures: null, reusesTimeouts: null, keepsRunning: null };
    const untagged = { ...started, tags: {}, settings };
    expect(server.calls.started).toEqual([untagged, untagged]);
  });

  test("takes tags in a header and in the body", async () => {
    const headers = { "nixbuildnet-tags": "GITHUB_RUN_ID:77,GITHUB_JOB:a" };
    await server.call("POST", path, { token: alice, headers, body: { tags: { GITHUB_JOB: "b" } } });
    expect(server.calls.started.at(-1)?.tags).toEqual({ GITHUB_RUN_ID: "77", GITHUB_JOB: "b" });
    const bad = await server.post(path, alice, { tags: { "not a name": "x" } });
    expect([bad.status, bad.json?.code]).toEqual([400, "bad_request"]);
  });

  test("takes settings of nixbuild.net in headers", async () => {
    const headers = {
      "nixbuildnet-reuse-build-failures": "1",
      "nixbuildnet-reuse-build-timeouts": "false",
      "nixbuildnet-keep-builds-running": "",
    };
    await server.call("POST", path, { token: alice, headers });
    const settings = { reusesFailures: true, reusesTimeouts: false, keepsRunning: false };
    expect(server.calls.started.at(-1)?.settings).toEqual(settings);
    const wrong = { "nixbuildnet-keep-builds-running": "maybe" };
    expect((await server.call("POST", path, { token: alice, headers: wrong })).status).toBe(400);
  });

  test("waits for a worker when none could look at the repository, and fails when git does", async () => {
    const { repositories } = server.services;
    const { head } = repositories;
    try {
      repositories.head = () => Promise.reject(new NoFetchWorkerError());
      expect((await server.post(path, alice)).message).toBe(EVALUATION);
      expect(server.calls.started.at(-1)?.revision).toBeNull();
      repositories.head = () => Promise.reject(new RepositoryUnreachableError("not found", false));
      expect((await server.post(path, alice)).json).toMatchObject({
        code: "repository_unreachable",
        message: "not found",
      });
    } finally {
      repositories.head = head;
    }
  });

  test("restarts what failed in the last one", async () => {
    const { id } = (await server.get("projects/acme/tools", alice)).message;
    const answer = await server.post(path, alice, { mode: "restart_failed" });
    expect(answer.message).toBe(EVALUATION);
    expect(server.calls.restarted).toEqual([id]);
    const { evaluations } = server.services;
    const { restartFailed } = evaluations;
    evaluations.restartFailed = () => Promise.reject(new BadRequestError("nothing failed"));
    const nothing = await server.post(path, alice, { mode: "restart_failed" });
    evaluations.restartFailed = restartFailed;
    expect([nothing.status, nothing.message]).toEqual([400, "nothing failed"]);
    expect((await server.post(path, viewer, { mode: "restart_failed" })).status).toBe(403);
  });

  test("needs the right, for keys too", async () => {
    expect((await server.post(path, viewer)).status).toBe(403);
    expect((await server.post(path, bob)).status).toBe(404);
    expect((await server.post(path)).status).toBe(401);
    const able = await server.key(alice, {
      permissions: ["triggerEvaluation"],
      organization: "acme",
    });
    expect((await server.post(path, able)).status).toBe(200);
    const unable = await server.key(alice, { permissions: ["viewOrg"] });
    expect((await server.post(path, unable)).status).toBe(403);
  });

  test("is refused while one is active, and for modes that are not there", async () => {
    const { evaluations } = server.services;
    const { start } = evaluations;
    evaluations.start = () => Promise.reject(new ConflictError("an evaluation is active already"));
    const busy = await server.post(path, alice);
    evaluations.start = start;
    expect([busy.status, busy.json?.code, busy.message]).toEqual([
      400,
      "bad_request",
      "an evaluation is active already",
    ]);
    expect((await server.post(path, alice, { mode: "other" })).status).toBe(400);
  });
});

describe("with an evaluation", () => {
  let seed: Seed;

  beforeEach(async () => {
    const db = server.services.database.kysely;
    await db.deleteFrom("evaluations").execute();
    await db.deleteFrom("derivations").execute();
    const {
      id,
      organization,
      created_by: userId,
    } = (await server.get("projects/acme/tools", alice)).message;
    seed = await seedEvaluation(db, { organizationId: organization, projectId: id, userId });
  });

  test("a project shows its last one", async () => {
    expect((await server.get("projects/acme/tools", alice)).message).toMatchObject({
      last_evaluation: seed.evaluationId,
      last_evaluation_status: "Building",
    });
    expect((await server.get("orgs", alice)).message.items[0].running_evaluations).toBe(1);
  });

  test("details sum up what it does", async () => {
    const { message } = await server.get("projects/acme/tools/details", viewer);
    expect(message).toMatchObject({
      name: "tools",
      keep_evaluations: 30,
      last_check_at: "2025-11-22T00:00:00.010Z",
      queue: { building: 1, queued: 1 },
      can_edit: false,
      managed: false,
    });
    expect(message.last_evaluations).toEqual([
      {
        id: seed.evaluationId,
        commit: "a".repeat(40),
        commit_message: "Fix the thing",
        status: "Building",
        trigger: null,
        triggered_by: "User alice",
        pr_number: null,
        reference: null,
        total_builds: 4,
        builds: { completed: 1, failed: 1, building: 1, queued: 1, substituted: 0, aborted: 0 },
        errors: 2,
        warnings: 1,
        created_at: "2025-11-22T00:00:00.000Z",
        updated_at: "2025-11-22T00:00:01.000Z",
      },
    ]);
  });

  test("entry points are those of the last one, or of one of the project's own", async () => {
    const { message } = await server.get("projects/acme/tools/entry-points", viewer);
    expect(message).toEqual([
      {
        id: seed.app.id,
        build_id: seed.app.id,
        name: "app",
        derivation_path: seed.app.drvPath,
        eval: "packages.app",
        build_status: "Queued",
        has_artefacts: false,
        architecture: "x86_64-linux",
        build_time_ms: null,
        deps: { completed: 0, failed: 0, building: 1, queued: 0, substituted: 0, aborted: 0 },
        deps_total: 1,
        created_at: "2025-11-22T00:00:00.000Z",
      },
      expect.objectContaining({
        eval: 'packages."bro.ken"',
        build_status: "FailedPermanent",
        build_time_ms: 2000,
      }),
    ]);
    const own = `projects/acme/tools/entry-points?evaluation_id=${seed.evaluationId}`;
    expect((await server.get(own, viewer)).message).toHaveLength(2);
    const foreign = `projects/acme/tools/entry-points?evaluation_id=${EVALUATION}`;
    expect((await server.get(foreign, viewer)).status).toBe(404);
    expect(
      (await server.get("projects/acme/tools/entry-points?evaluation_id=x", viewer)).status,
    ).toBe(400);
  });

  test("deleting the project ends it first", async () => {
    expect((await server.delete("projects/acme/tools", alice)).status).toBe(200);
    expect(server.calls.aborted).toEqual([seed.evaluationId]);
    await server.put("projects/acme", alice, request);
  });
});

describe("a project that is given to another organization", () => {
  const transfer = "projects/first/moving/transfer";

  beforeAll(async () => {
    await server.put("orgs", alice, { name: "other", display_name: "Other" });
    await server.put("orgs", bob, { name: "bobs", display_name: "Bobs" });
    await server.put("orgs", alice, { name: "first", display_name: "First" });
    await server.post("orgs/first/users", alice, { user: "viewer", role: "View" });
    await server.put("projects/first", alice, { ...request, name: "moving" });
  });

  test("needs somebody who may edit it here and create projects there", async () => {
    expect((await server.post(transfer, viewer, { organization: "other" })).status).toBe(403);
    expect((await server.post(transfer, bob, { organization: "bobs" })).status).toBe(404);
    expect((await server.post(transfer, alice, { organization: "bobs" })).status).toBe(404);
    await server.post("orgs/bobs/users", bob, { user: "alice", role: "View" });
    expect((await server.post(transfer, alice, { organization: "bobs" })).status).toBe(403);
    expect((await server.post(transfer, alice, { organization: "first" })).status).toBe(400);
    expect((await server.post(transfer, alice, {})).status).toBe(422);
  });

  test("is not moved while it is evaluated or where its name is taken, and leaves its evaluations behind", async () => {
    const { kysely } = server.services.database;
    const { message: project } = await server.get("projects/first/moving", alice);
    const of = { organizationId: project.organization, projectId: project.id, userId: null };
    const { evaluationId } = await seedEvaluation(kysely, of);
    const active = await server.post(transfer, alice, { organization: "other" });
    expect([active.status, active.message]).toEqual([409, expect.stringContaining("abort")]);
    await kysely
      .updateTable("evaluations")
      .set({ state: "Completed" })
      .where("id", "=", evaluationId)
      .execute();
    await server.put("projects/other", alice, { ...request, name: "moving" });
    expect((await server.post(transfer, alice, { organization: "other" })).status).toBe(409);
    await server.delete("projects/other/moving", alice);
    expect((await server.get(`evals/${evaluationId}`, alice)).status).toBe(200);
    expect((await server.post(transfer, alice, { organization: "other" })).status).toBe(200);
    expect((await server.get("projects/first/moving", alice)).status).toBe(404);
    expect((await server.get("projects/other/moving", alice)).message).toMatchObject({
      id: project.id,
      force_evaluation: true,
      last_evaluation: null,
    });
    expect((await server.get(`evals/${evaluationId}`, alice)).status).toBe(404);
  });
});

test("the most evaluations that a project may keep is a setting", async () => {
  await using small = await openTestServer({ env: { GRADIENT_KEEP_EVALUATIONS: "5" } });
  const owner = await small.user("owner");
  await small.put("orgs", owner, { name: "acme", display_name: "Acme" });
  await small.put("projects/acme", owner, request);
  expect((await small.get("projects/acme/tools", owner)).message.keep_evaluations).toBe(5);
  const more = await small.patch("projects/acme/tools", owner, { keep_evaluations: 6 });
  expect([more.status, more.message]).toEqual([400, expect.stringContaining("from 1 to 5")]);
  expect((await small.patch("projects/acme/tools", owner, { keep_evaluations: 0 })).status).toBe(
    400,
  );
  expect((await small.patch("projects/acme/tools", owner, { keep_evaluations: 1 })).status).toBe(
    200,
  );
});
