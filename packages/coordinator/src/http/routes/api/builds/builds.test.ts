import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { usage, type Seed } from "../../../seed.test-support.ts";
import type { TestServer } from "../../../server.test-support.ts";
import { MISSING, openEvaluationScene, type PlayedLogs } from "../evals/scene.test-support.ts";

let server: TestServer;
let logs: PlayedLogs;
let alice: string;
let bob: string;
let seed: Seed;

beforeAll(async () => {
  ({ server, logs, alice, bob, seed } = await openEvaluationScene());
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a build", () => {
  test("has every field that clients want, and what it used", async () => {
    const { message } = await server.get(`builds/${seed.base.id}`, alice);
    expect(message).toEqual({
      id: seed.base.id,
      evaluation: seed.evaluationId,
      status: "Completed",
      derivation_path: seed.base.drvPath,
      architecture: "x86_64-linux",
      worker: "550e8400-e29b-41d4-a716-446655440001",
      output: { out: seed.base.drvPath.replace(/\.drv$/, "") },
      created_at: "2025-11-22T00:00:00.000Z",
      updated_at: "2025-11-22T00:00:00.500Z",
      attempt: seed.base.attempt,
      attempt_status: "built",
      reused_attempt: null,
      status_message: null,
      usage,
      times: {
        ready_at: "2025-11-22T00:00:00.100Z",
        assigned_at: "2025-11-22T00:00:00.150Z",
        started_at: "2025-11-22T00:00:00.200Z",
        stopped_at: "2025-11-22T00:00:02.200Z",
        stored_at: null,
      },
    });
  });

  test("that never ran has no figures, and one that failed says why", async () => {
    const waiting = await server.get(`builds/${seed.app.id}`, alice);
    expect(waiting.message).toMatchObject({
      status: "Queued",
      worker: null,
      attempt: null,
      usage: null,
    });
    const broken = await server.get(`builds/${seed.broken.id}`, alice);
    expect(broken.message).toMatchObject({
      status: "FailedPermanent",
      status_message: "builder failed with exit code 1",
      usage: null,
    });
  });

  test("shows every attempt, with all that it used", async () => {
    const { message } = await server.get(`builds/${seed.base.id}/attempts`, alice);
    expect(message).toEqual([
      {
        number: seed.base.attempt,
        status: "built",
        message: null,
        worker: "550e8400-e29b-41d4-a716-446655440001",
        created_at: "2025-11-22T00:00:00.100Z",
        assigned_at: null,
        started_at: null,
        stopped_at: null,
        stored_at: null,
        restart_of: null,
        usage,
      },
    ]);
    expect((await server.get(`builds/${seed.app.id}/attempts`, alice)).message).toEqual([]);
  });

  test("of a private organization does not exist for others", async () => {
    for (const path of ["", "/log", "/graph", "/dependencies", "/attempts"]) {
      expect((await server.get(`builds/${seed.base.id}${path}`, bob)).status).toBe(404);
      expect((await server.get(`builds/${seed.base.id}${path}`)).status).toBe(404);
      expect((await server.get(`builds/${MISSING}${path}`, alice)).status).toBe(404);
    }
    expect((await server.post(`builds/${seed.base.id}/log`, bob)).status).toBe(404);
    expect((await server.post(`builds/${seed.base.id}/log`)).status).toBe(401);
    expect((await server.get("builds/xyz", alice)).status).toBe(400);
  });

  test("shows its dependencies and their graph, from the dependency to the dependent", async () => {
    const direct = await server.get(`builds/${seed.app.id}/dependencies`, alice);
    expect(direct.message).toEqual([
      {
        id: seed.lib.id,
        name: "lib",
        path: seed.lib.drvPath,
        status: "Building",
        created_at: "2025-11-22T00:00:00.000Z",
        updated_at: "2025-11-22T00:00:00.500Z",
      },
    ]);
    const { message: graph } = await server.get(`builds/${seed.app.id}/graph`, alice);
    expect(graph.root).toBe(seed.app.id);
    expect(graph.nodes.map((node: { name: string }) => node.name)).toEqual(["app", "lib", "base"]);
    expect(graph.edges).toEqual([
      { source: seed.lib.id, target: seed.app.id },
      { source: seed.base.id, target: seed.lib.id },
    ]);
  });

  test("gives its whole log, or nothing", async () => {
    logs.texts.set(seed.base.attempt ?? 0, "hello\n");
    expect((await server.get(`builds/${seed.base.id}/log`, alice)).message).toBe("hello\n");
    expect((await server.get(`builds/${seed.app.id}/log`, alice)).message).toBe("");
  });

  test("streams only what comes after the request", async () => {
    logs.texts.set(seed.base.attempt ?? 0, "hello\n");
    logs.appended = "more\n";
    logs.followed.length = 0;
    const answer = await server.post(`builds/${seed.base.id}/log`, alice);
    expect(logs.followed).toEqual([{ attempt: seed.base.attempt, offset: 6 }]);
    expect(answer.text).toBe('"more\\n"\n');
    logs.appended = "";
    expect((await server.post(`builds/${seed.base.id}/log`, alice)).text).toBe('""\n');
  });
});
