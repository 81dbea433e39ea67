import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { systemClock } from "../clock.ts";
import type { Logs } from "../ports.ts";
import { seedEvaluation, type Seed } from "./seed.test-support.ts";
import { openTestServer, PASSWORD, type TestServer } from "./server.test-support.ts";

let server: TestServer;
let alice: string;
let bob: string;
let seed: Seed;

/** Everything that comes from time to time comes soon. */
const hastyClock = {
  now: () => Date.now(),
  after: (ms: number, callback: () => void) => systemClock.after(ms / 50, callback),
};

/** Of builds that have said something and go on. */
const endlessLogs: Logs = {
  text: async function* () {},
  size: () => Promise.resolve(0),
  follow: async function* (_attempt, _offset, signal) {
    yield "begun\n";
    if (!signal.aborted) await once(signal, "abort");
  },
};

beforeAll(async () => {
  server = await openTestServer({ clock: hastyClock, logs: endlessLogs });
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  const projectId = String((await server.put("projects/acme", alice, project)).message);
  const { id: organizationId } = (await server.get("orgs/acme", alice)).message;
  seed = await seedEvaluation(server.services.database.kysely, {
    organizationId,
    projectId,
    userId: null,
  });
});
afterAll(() => server[Symbol.asyncDispose]());

type Frame = Record<string, unknown>;

/** A client, with what it was told. */
class Listener implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(path: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(`${server.url.replace("http", "ws")}/api/v1/${path}`, options);
    this.socket.on("message", (data) =>
      this.frames.push(JSON.parse((data as Buffer).toString()) as Frame),
    );
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  static async open(path: string, token?: string): Promise<Listener> {
    const listener = new Listener(path, bearer(token));
    await once(listener.socket, "open");
    return listener;
  }

  /** Waits for the next frame of the type. */
  async told(type: string): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex((each) => each["type"] === type);
      const [frame] = at < 0 ? [] : this.frames.splice(at, 1);
      if (frame !== undefined) return frame;
      await once(this.socket, "message");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState === this.socket.CLOSED) return;
    this.socket.close();
    await this.closed;
  }
}

function bearer(token: string | undefined): ClientOptions {
  return token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
}

/** Status and body of the answer to a handshake that is refused. */
function refusal(path: string, options: ClientOptions = {}): Promise<[number, Frame]> {
  const { socket } = new Listener(path, options);
  return new Promise((resolve, reject) => {
    socket.once("open", () => reject(new Error("it was accepted")));
    socket.once("error", () => undefined);
    socket.once("unexpected-response", (_request, response) => {
      let text = "";
      response.on("data", (piece: Buffer) => (text += piece.toString()));
      response.on("end", () => resolve([response.statusCode ?? 0, JSON.parse(text) as Frame]));
    });
  });
}

const db = () => server.services.database.kysely;

const toggleEvaluation = async () => {
  const { state } = await db().selectFrom("evaluations").select("state").executeTakeFirstOrThrow();
  await db()
    .updateTable("evaluations")
    .set({ state: state === "Building" ? "Waiting" : "Building", updated_at: Date.now() })
    .execute();
};

const toggleBuild = async () => {
  const { state } = await db()
    .selectFrom("builds")
    .select("state")
    .where("derivation_id", "=", seed.lib.derivationId)
    .executeTakeFirstOrThrow();
  await db()
    .updateTable("builds")
    .set({ state: state === "Building" ? "FailedTransient" : "Building", updated_at: Date.now() })
    .where("derivation_id", "=", seed.lib.derivationId)
    .execute();
};

describe("who watches", () => {
  test("an evaluation is told how it and its builds stand, in numbers", async () => {
    await using listener = await Listener.open(`evals/${seed.evaluationId}/live`, alice);
    await toggleEvaluation();
    const evaluation = await listener.told("evaluation_status_changed");
    expect(evaluation).toEqual({
      type: "evaluation_status_changed",
      project: expect.any(String),
      evaluation_id: seed.evaluationId,
      status: expect.any(Number),
    });
    expect([3, 4]).toContain(evaluation["status"]);
    await toggleBuild();
    const build = await listener.told("build_status_changed");
    expect(build).toEqual({
      type: "build_status_changed",
      evaluation_id: seed.evaluationId,
      build_id: seed.lib.id,
      status: expect.any(Number),
    });
    expect([2, 8]).toContain(build["status"]);
  });

  test("a project is told the same, and of evaluations that begin", async () => {
    await using listener = await Listener.open("projects/acme/p/live", alice);
    await toggleBuild();
    await listener.told("build_status_changed");
    const {
      id: _id,
      number: _number,
      ...row
    } = await db().selectFrom("evaluations").selectAll().executeTakeFirstOrThrow();
    const id = "01ffffff-0000-7000-8000-000000000000";
    await db()
      .insertInto("evaluations")
      .values({ ...row, id, state: "Queued", created_at: row.created_at + 1 })
      .execute();
    expect(await listener.told("evaluation_status_changed")).toEqual({
      type: "evaluation_status_changed",
      project: row.project_id,
      evaluation_id: id,
      status: 0,
    });
    await db().deleteFrom("evaluations").where("id", "=", id).execute();
  });

  test("a build is told of everything that it may depend on", async () => {
    await using listener = await Listener.open(`builds/${seed.app.id}/live`, alice);
    await toggleBuild();
    const frame = await listener.told("build_status_changed");
    expect(frame["build_id"]).toBe(seed.lib.id);
  });

  test("an evaluation that grows is told so, before any build changes", async () => {
    const set = (state: string) => db().updateTable("evaluations").set({ state }).execute();
    await set("EvaluatingDerivation");
    await using listener = await Listener.open(`evals/${seed.evaluationId}/live`, alice);
    let count = 0;
    const deliver = () =>
      db()
        .insertInto("jobs")
        .values({
          evaluation_id: seed.evaluationId,
          attribute_json: JSON.stringify(["late", String(count++)]),
          derivation_id: null,
          error: "x",
          created_at: Date.now(),
        })
        .execute();
    await deliver();
    const frame = await listener.told("evaluation_progress");
    expect(frame["evaluation_id"]).toBe(seed.evaluationId);
    await set("Building");
  });
});

describe("the right to watch", () => {
  const path = () => `evals/${seed.evaluationId}/live`;

  test("comes with a header, a cookie of our own pages or a token in the address", async () => {
    await using byHeader = await Listener.open(path(), alice);
    await using byAddress = await Listener.open(`${path()}?token=${alice}`);
    const cookie = { cookie: `jwt_token=${alice}` };
    await using byCookie = new Listener(path(), { headers: cookie, origin: server.url });
    await once(byCookie.socket, "open");
    for (const listener of [byHeader, byAddress, byCookie]) {
      await toggleBuild();
      await listener.told("build_status_changed");
    }
    const [status, body] = await refusal(path(), {
      headers: cookie,
      origin: "https://evil.example",
    });
    expect([status, body["code"]]).toEqual([404, "not_found"]);
  });

  test("is that of the page: strangers get the page's refusal", async () => {
    const [anonymous, body] = await refusal(path());
    expect([anonymous, body]).toEqual([
      404,
      { error: true, code: "not_found", message: `evaluation ${seed.evaluationId} does not exist` },
    ]);
    expect((await refusal(path(), bearer(bob)))[0]).toBe(404);
    expect((await refusal(`${path()}?token=nonsense`))[0]).toBe(401);
    expect((await refusal("projects/acme/none/live", bearer(alice)))[0]).toBe(404);
    expect((await refusal("builds/xyz/live", bearer(alice)))[0]).toBe(400);
    expect((await refusal("other/live", bearer(alice)))[0]).toBe(404);
    expect((await server.get(path(), alice)).status).toBe(400);
    const [outdated, fault] = await refusal(path(), { ...bearer(alice), protocolVersion: 8 });
    expect([outdated, fault["code"]]).toEqual([400, "bad_request"]);
    await db().updateTable("organizations").set({ public: 1 }).execute();
    await using listener = await Listener.open(path());
    await toggleBuild();
    await listener.told("build_status_changed");
    await db().updateTable("organizations").set({ public: 0 }).execute();
    expect(await listener.closed).toMatchObject({ code: 1008, reason: "not_found" });
  });

  test("ends with the session: nothing more is told", async () => {
    const login = { loginname: "alice", password: PASSWORD };
    const token = String((await server.post("auth/basic/login", undefined, login)).message);
    await using listener = await Listener.open(path(), token);
    await toggleBuild();
    await listener.told("build_status_changed");
    await server.post("auth/logout", token);
    await toggleBuild();
    expect(await listener.closed).toEqual({ code: 1008, reason: "unauthorized" });
    expect(listener.frames).toEqual([]);
  });
});

test("a server that stops says so to who watches", async () => {
  const other = await openTestServer();
  const token = await other.user("carol");
  await other.put("orgs", token, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  await other.put("projects/acme", token, project);
  const address = `${other.url.replace("http", "ws")}/api/v1/projects/acme/p/live`;
  const socket = new WebSocket(address, bearer(token));
  await once(socket, "open");
  const closed = once(socket, "close");
  await other[Symbol.asyncDispose]();
  expect((await closed)[0]).toBe(1001);
});

test("a log that grows ends for who may read it no more", async () => {
  const paths = [`builds/${seed.lib.id}/log`, `evals/${seed.evaluationId}/builds`];
  for (const [at, path] of paths.entries()) {
    const key = { name: `reader-${at}`, permissions: ["viewOrg"] };
    const token = String((await server.post("user/keys", alice, key)).message);
    const answer = await fetch(`${server.url}/api/v1/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
    expect([path, answer.status]).toEqual([path, 200]);
    const reading = answer.text();
    await server.call("DELETE", "user/keys", { token: alice, body: key });
    expect(await reading).toContain("begun");
  }
});
