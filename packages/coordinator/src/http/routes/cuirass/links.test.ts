import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  addSceneBuilds,
  addSceneEvaluation,
  addSceneProject,
  sceneDrv,
  type SceneProject,
} from "../../../db/cuirass-scene.test-support.ts";
import { ManualClock } from "../../../manual-clock.test-support.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

const LINUX = "x86_64-linux";
const DAY = 86_400_000;

let server: TestServer;
const clock = new ManualClock();
let alice: string;
let bob: string;
let project: SceneProject;
let newest: { id: string; number: number };
let numbers: Map<string, number>;
/** Logs by attempt. */
const written = new Map<number, string>();

const numberOf = (name: string): number => numbers.get(name) ?? 0;
const packages = (name: string) => ["packages", LINUX, name];
const get = (path: string, token?: string) => server.get(path, token);
const register = async (query: string) => get(`/api/dashboard/register?${query}`);
const idOf = (answer: { json: unknown }) => String(Object(answer.json).id);

beforeAll(async () => {
  server = await openTestServer({
    clock,
    logs: {
      text: async function* (attempt) {
        yield written.get(attempt) ?? "";
      },
      size: () => Promise.resolve(0),
      follow: async function* () {},
    },
  });
  const db = server.services.database.kysely;
  [alice, bob] = [await server.user("alice"), await server.user("bob")];
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/public", alice);
  const organizationId = String((await server.get("orgs/acme", alice)).message.id);
  project = await addSceneProject(db, {
    organization: "acme",
    project: "web",
    isPublic: true,
    organizationId,
  });
  const first = await addSceneEvaluation(db, project, {
    state: "Completed",
    commit: "1".repeat(40),
  });
  const earlier = await addSceneBuilds(db, project, first.id, [
    { name: "good-1", attribute: packages("good"), state: "Completed", attempt: "built" },
    {
      name: "bad-1",
      attribute: packages("bad"),
      state: "FailedPermanent",
      attempt: "build_failed",
    },
  ]);
  newest = await addSceneEvaluation(db, project, { state: "Building", commit: "2".repeat(40) });
  const later = await addSceneBuilds(db, project, newest.id, [
    {
      name: "good-2",
      attribute: packages("good"),
      state: "FailedPermanent",
      attempt: "build_failed",
    },
    { name: "bad-2", attribute: packages("bad"), state: "Completed", attempt: "built" },
    { name: "found-1", attribute: packages("found"), state: "Substituted" },
  ]);
  numbers = new Map([...earlier, ...later]);
  await addSceneEvaluation(db, project, { state: "Failed", isEvaluated: false });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a dashboard", () => {
  test("is made anew by each call, and leads to the newest evaluation whose jobs are known", async () => {
    const [a, b] = [
      await register("spec=acme.web&names=x,y"),
      await register("specification=acme.web&names=x"),
    ];
    expect(idOf(a)).toMatch(/^[A-Za-z0-9]{16}$/);
    expect(idOf(a)).not.toBe(idOf(b));
    const led = await get(`/dashboard/${idOf(a)}`);
    expect([led.status, led.headers.get("location")]).toEqual([
      302,
      `/eval/${newest.number}/dashboard/${idOf(a)}`,
    ]);
    const missing = await get("/dashboard/nothing");
    expect([missing.status, missing.json]).toEqual([
      404,
      { error: "Dashboard with ID nothing doesn't exist." },
    ]);
  });

  test.each(["names=x", "spec=acme.web", ""])("with %j only is refused", async (query) => {
    const answer = await register(query);
    expect([answer.status, answer.json]).toEqual([500, { error: "Parameter not defined" }]);
  });

  test("of a project that is not there is not made", async () => {
    expect((await register("spec=unknown&names=x")).status).toBe(404);
  });
});

test.each([
  ["/eval/latest?spec=acme.web", ""],
  ["/eval/latest/dashboard?spec=acme.web", "/dashboard"],
  ["/eval/latest/dashboard?spec=acme.web&system=x86_64-linux", "/dashboard?system=x86_64-linux"],
])("%s leads to the newest evaluation whose jobs are known", async (path, page) => {
  const answer = await get(path);
  expect([answer.status, answer.headers.get("location")]).toEqual([
    302,
    `/eval/${newest.number}${page}`,
  ]);
});

test.each(["/eval/latest", "/eval/latest?spec=unknown", "/eval/latest/dashboard?spec="])(
  "%s is not found, as text",
  async (path) => {
    const answer = await get(path);
    expect([answer.status, answer.text]).toEqual([
      404,
      `Resource not found: ${path.split("?", 1)[0]}`,
    ]);
  },
);

test("a search leads to its newest match", async () => {
  const locationOf = async (query: string) => {
    const answer = await get(`/search/latest?query=${query}`);
    return [answer.status, answer.headers.get("location") ?? Object(answer.json).error];
  };
  expect(await locationOf("ba")).toEqual([302, `/build/${numberOf("bad-2")}/details`]);
  expect(await locationOf("good+status:failed+spec:acme.web")).toEqual([
    302,
    `/build/${numberOf("good-2")}/details`,
  ]);
  expect(await locationOf("system:x86_64-linux%20status:success")).toEqual([
    302,
    `/build/${numberOf("found-1")}/details`,
  ]);
  expect(await locationOf("good+status:nonsense")).toEqual([500, "No build found."]);
  expect(await locationOf("good+spec:unknown")).toEqual([500, "No build found."]);
  expect((await get("/search/latest")).json).toEqual({ error: "Query parameter not provided." });
  const product = await get("/search/latest/iso?query=bad");
  expect([product.status, product.json]).toEqual([
    500,
    { error: "Could not find the request build product." },
  ]);
});

test("a badge tells how many jobs have succeeded, and is drawn whatever is asked for", async () => {
  const badge = async (path: string) => {
    const answer = await get(path);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "image/svg+xml"]);
    return answer.text;
  };
  expect(await badge("/jobset/acme.web/badge.svg?type=0")).toContain("66%");
  expect(await badge("/jobset/acme.web/badge.svg")).not.toContain("acme.web");
  expect(await badge("/jobset/acme.web/badge.svg?type=1")).toContain("acme.web");
  expect(await badge("/jobset/unknown/badge.svg?type=0")).toContain("error");
  const db = server.services.database.kysely;
  const empty = await addSceneEvaluation(db, project, {
    state: "Completed",
    commit: "4".repeat(40),
  });
  expect(await badge("/jobset/acme.web/badge.svg")).toContain("no jobs");
  await db.deleteFrom("evaluations").where("id", "=", empty.id).execute();
});

test("a feed tells what broke and what was fixed", async () => {
  const feed = await get("/events/rss?specification=acme.web");
  expect([feed.status, feed.headers.get("content-type")]).toEqual([
    200,
    "application/rss+xml;charset=utf-8",
  ]);
  expect(feed.text.match(/<title>[^<]*<\/title>/g)).toEqual([
    "<title>Build events of acme.web</title>",
    `<title>bad.${LINUX} is fixed</title>`,
    `<title>good.${LINUX} is broken</title>`,
  ]);
  expect(feed.text).toContain(
    `<link>https://farm.example:8443/build/${numberOf("bad-2")}/details</link>`,
  );
  expect((await get("/events/rss")).text).toContain("is fixed");
  expect((await get("/events/rss?specification=%3Cx%3E")).text).toContain("&lt;x&gt;");
});

describe("a raw log", () => {
  beforeEach(async () => {
    const attempts = await server.services.database.kysely
      .selectFrom("attempts")
      .select("number")
      .execute();
    for (const { number } of attempts) written.set(number, `log <b>${number}</b>\n`);
  });

  test("is text that no browser takes for something else", async () => {
    const base = sceneDrv("good-2");
    for (const path of [
      `/build/${numberOf("good-2")}/log/raw`,
      `/build/${base}/log/raw`,
      `/log/${base}`,
      `/log/${base.slice(0, -4)}`,
    ]) {
      const answer = await get(path);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([
        200,
        "text/plain;charset=utf-8",
      ]);
      expect(answer.text).toBe("log <b>3</b>\n");
      expect(answer.headers.get("content-disposition")).toBe("inline");
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    }
  });

  test("is packed for clients that can read that, and for no others", async () => {
    const path = `/build/${numberOf("good-2")}/log/raw`;
    for (const [accepted, encoding] of [
      ["gzip, deflate", "gzip"],
      ["identity", null],
      ["gzip;q=0", null],
    ] as const) {
      const headers = { "accept-encoding": accepted };
      const answer = await server.call("GET", path, { headers });
      expect([accepted, answer.headers.get("content-encoding")]).toEqual([accepted, encoding]);
      expect(answer.headers.get("vary")).toBe("accept-encoding");
      expect(answer.text).toBe("log <b>3</b>\n");
    }
  });

  test("that is not there is not found: as JSON without the build, else as text", async () => {
    const unknown = await get("/build/fff/log/raw");
    expect([unknown.status, unknown.json]).toEqual([
      404,
      { error: "Build with ID fff doesn't exist." },
    ]);
    for (const path of [
      `/build/${numberOf("found-1")}/log/raw`,
      "/log/nothing",
      "/eval/999/log/raw",
      "/eval/x/log/raw",
    ]) {
      const answer = await get(path);
      expect([answer.status, answer.text]).toEqual([404, `Resource not found: ${path}`]);
    }
  });

  test("of an evaluation has what it said", async () => {
    await server.services.database.kysely
      .insertInto("evaluation_messages")
      .values({
        evaluation_id: newest.id,
        level: "Error",
        text: "it throws\n",
        attribute_json: '["a.b","c"]',
        created_at: 0,
      })
      .execute();
    const answer = await get(`/eval/${newest.number}/log/raw`);
    expect(answer.text).toBe(`1970-01-01T00:00:00.000Z error: "a.b".c: it throws\n`);
  });
});

test("a product that is not there is not found", async () => {
  for (const id of ["1", "x", "0"]) {
    const answer = await get(`/download/${id}`);
    expect([answer.status, answer.json]).toEqual([
      404,
      { error: "Could not find the requested build product." },
    ]);
  }
});

describe("the hook", () => {
  const call = (path: string, headers: Record<string, string> = {}, body?: string) =>
    server.call("POST", path, { headers, body });
  const place = "/jobset/acme.web/hook/evaluate";
  const missing = [404, { error: "Jobset not found." }];
  const looks = () =>
    server.services.database.kysely
      .selectFrom("triggers")
      .select(["is_hook", "due_at", "type"])
      .execute();

  test("asks for nothing without a token, or for what is not there, with one answer", async () => {
    const basic = `Basic ${Buffer.from(`${bob}:`).toString("base64")}`;
    for (const answer of [
      await call(place),
      await call("/jobset/unknown/hook/evaluate"),
      await call(place, { authorization: `Bearer ${bob}` }),
      await call(place, { authorization: basic }),
      await call(`${place}?token=GRADnonsense`),
      await call(`${place}?token=${await server.key(alice, { permissions: ["viewOrg"] })}`),
    ]) {
      expect([answer.status, answer.json]).toEqual(missing);
    }
    expect(await looks()).toEqual([]);
    expect((await get(place)).text).toBe(`Resource not found: ${place}`);
  });

  test("takes a token wherever it stands, and every body", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg", "triggerEvaluation"] });
    const form = { "content-type": "application/x-www-form-urlencoded" };
    for (const answer of [
      await call(`${place}?token=${key}`, form, ""),
      await call(`${place}?token=${key}`),
      await call(`${place}/?token=${key}`, form, "payload=%7B%7D"),
      await call(place, { authorization: `Bearer ${key}`, "content-type": "text/x-whatever" }, "x"),
      await call(
        place,
        {
          authorization: `Basic ${Buffer.from(`x:${key}`).toString("base64")}`,
          "content-type": "application/json",
        },
        "{",
      ),
    ]) {
      expect([answer.status, answer.json]).toEqual([200, { jobset: "acme.web" }]);
    }
    expect(await looks()).toEqual([{ is_hook: 1, due_at: clock.now(), type: "polling" }]);
    // It is nobody's, and nobody sees it.
    expect((await server.get("projects/acme/web/triggers", alice)).message).toEqual([]);
  });

  test("needs no token where the project says so, and hastens the triggers that poll", async () => {
    await server.patch("projects/acme/web/cuirass", alice, { open_hook: true, alias: "site" });
    const made = await server.post("projects/acme/web/triggers", alice, {
      config: { type: "polling", interval_secs: 600 },
    });
    expect(made.status).toBe(200);
    await clock.advance(1000);
    for (const each of [place, "/jobset/site/hook/evaluate"]) {
      const answer = await call(each);
      expect([answer.status, answer.json]).toEqual([200, { jobset: "site" }]);
    }
    const due = (await looks()).filter(({ is_hook }) => is_hook === 0);
    expect(due).toEqual([{ is_hook: 0, due_at: clock.now(), type: "polling" }]);
    await server.delete("orgs/acme/public", alice);
    const hidden = await call(place);
    expect([hidden.status, hidden.json]).toEqual(missing);
    await server.post("orgs/acme/public", alice);
  });

  test("is held to a rate", async () => {
    await using limited = await openTestServer({ clock, env: { GRADIENT_RATE_LIMITS: "true" } });
    const statuses: number[] = [];
    for (let time = 0; time < 31; time += 1)
      statuses.push((await limited.call("POST", place)).status);
    expect([statuses[29], statuses[30]]).toEqual([404, 429]);
  });
});

describe("what an evaluation has changed", () => {
  const difference = async (query = "", token?: string) =>
    get(`/api/v1/evals/${newest.id}/difference${query}`, token);

  test("is told against the last one before it, by kinds", async () => {
    const { message } = await difference();
    expect(message.broken).toEqual({
      count: 1,
      jobs: [
        {
          name: `good.${LINUX}`,
          before: { build: numberOf("good-1"), status: 0 },
          now: { build: numberOf("good-2"), status: 1 },
        },
      ],
    });
    const counts = ["new", "gone", "broken", "fixed", "changed"].map((kind) => message[kind].count);
    expect(counts).toEqual([1, 0, 1, 1, 0]);
    expect((await difference("?limit=0")).message.fixed).toEqual({ count: 1, jobs: [] });
  });

  test("is told against another one of the same project only", async () => {
    expect((await difference(`?against=${newest.id}`)).message).toMatchObject({
      against: newest.id,
      new: { count: 0 },
    });
    const missing = "0192c3a0-aaaa-7000-8000-000000000001";
    expect((await difference(`?against=${missing}`)).status).toBe(404);
    expect((await difference("?limit=501")).status).toBe(400);
  });
});

describe("a project's settings for Cuirass", () => {
  const settings = "projects/acme/web/cuirass";

  test("are changed by who may edit it", async () => {
    const change = { alias: "guix", priority: 2, open_hook: false };
    expect((await server.patch(settings, bob, change)).status).toBe(404);
    expect((await server.patch(settings, alice, change)).status).toBe(200);
    expect((await server.get(settings)).message).toEqual(change);
    expect((await server.patch(settings, alice, { alias: null })).status).toBe(200);
    expect((await server.get(settings)).message).toEqual({ ...change, alias: null });
  });

  test("have to be a name, a number from 0 to 9, and nobody else's", async () => {
    for (const change of [
      { alias: "a.b" },
      { alias: "A" },
      { alias: "" },
      { priority: 10 },
      { priority: -1 },
    ]) {
      expect((await server.patch(settings, alice, change)).status, JSON.stringify(change)).toBe(
        400,
      );
    }
    const { organizationId } = project;
    await addSceneProject(server.services.database.kysely, {
      organization: "acme",
      project: "other",
      isPublic: true,
      organizationId,
    });
    expect(
      (await server.patch("projects/acme/other/cuirass", alice, { alias: "guix" })).status,
    ).toBe(200);
    const taken = await server.patch(settings, alice, { alias: "guix" });
    expect([taken.status, taken.json?.code]).toEqual([409, "already_exists"]);
  });
});

test.each([
  "/admin/build/1/restart",
  "/admin/specifications/delete/acme.web",
  "/admin/evaluation/1/cancel",
])("%s changes nothing", async (path) => {
  expect((await get(path, alice)).status).toBe(405);
});

test("what a project has registered stays behind when it goes to another organization", async () => {
  await server.put("orgs", alice, { name: "elsewhere", display_name: "Elsewhere" });
  const { organizationId } = project;
  const db = server.services.database.kysely;
  const of = { organization: "acme", project: "moving", isPublic: true, organizationId };
  const moving = await addSceneProject(db, of);
  const { id } = await addSceneEvaluation(db, moving, {
    state: "Completed",
    commit: "5".repeat(40),
  });
  const built = await addSceneBuilds(db, moving, id, [
    { name: "moving-1", attribute: packages("moving"), state: "Completed", attempt: "built" },
  ]);
  const path = `/build/${built.get("moving-1")}`;
  expect((await get(path)).status).toBe(200);
  const moved = await server.post("projects/acme/moving/transfer", alice, {
    organization: "elsewhere",
  });
  expect(moved.status).toBe(200);
  expect((await get(path, alice)).status).toBe(404);
  expect((await get("/api/latestbuilds?nr=9&jobset=elsewhere.moving", alice)).json).toEqual([]);
});

// At the end: the sessions end with the days that pass.
test("dashboards that nobody looks at are not kept, nor more than a project may have", async () => {
  const db = server.services.database.kysely;
  const used = idOf(await register("spec=acme.web&names=used"));
  const unused = idOf(await register("spec=acme.web&names=unused"));
  await clock.advance(60 * DAY);
  expect((await get(`/dashboard/${used}`)).status).toBe(302);
  await clock.advance(31 * DAY);
  await register("spec=acme.web&names=x");
  expect((await get(`/dashboard/${used}`)).status).toBe(302);
  expect((await get(`/dashboard/${unused}`)).status).toBe(404);
  await db
    .insertInto("dashboards")
    .values(
      Array.from({ length: 1000 }, (_, at) => ({
        id: String(at),
        project_id: project.projectId,
        names_json: "[]",
        created_at: 0,
        used_at: clock.now(),
      })),
    )
    .execute();
  const full = await register("spec=acme.web&names=x");
  expect([full.status, full.json]).toEqual([500, { error: "Failed to register the dashboard" }]);
  await db.deleteFrom("dashboards").execute();
});
