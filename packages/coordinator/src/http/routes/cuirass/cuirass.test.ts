import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  addSceneBuilds,
  addSceneEvaluation,
  addSceneProject,
  SCENE_TIME,
  sceneDrv,
  type SceneProject,
} from "../../../db/cuirass-scene.test-support.ts";
import { upsertJobs } from "../../../db/job-repository.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

const LINUX = "x86_64-linux";
const ARM = "aarch64-linux";

let server: TestServer;
/** Owner of the organization `secret`, and a stranger. */
let alice: string;
let bob: string;
let first: { id: string; number: number };
let second: { id: string; number: number };
let hidden: { id: string; number: number };
let numbers: Map<string, number>;
let secret: number;

const numberOf = (name: string): number => numbers.get(name) ?? 0;
const packages = (name: string, system = LINUX) => ["packages", system, name];
const get = (path: string, token?: string) => server.get(path, token);
/** Names of the builds of a list. */
async function names(path: string, token?: string): Promise<string[]> {
  const { status, json } = await get(path, token);
  if (status !== 200 || !Array.isArray(json)) throw new Error(`${path}: ${status}`);
  return json.map((build: { nixname: string }) => build.nixname);
}

beforeAll(async () => {
  server = await openTestServer();
  const db = server.services.database.kysely;
  [alice, bob] = [await server.user("alice"), await server.user("bob")];
  const acme = await addSceneProject(db, { organization: "acme", project: "web", isPublic: true });
  first = await addSceneEvaluation(db, acme, { state: "Completed", commit: "1".repeat(40) });
  const a = await addSceneBuilds(db, acme, first.id, [
    { name: "good-1", attribute: packages("good"), state: "Completed", attempt: "built" },
    { name: "gtk+-1", attribute: packages("gtk+"), state: "Completed", attempt: "built" },
    { name: "odd-1", attribute: packages("a,b"), state: "Aborted" },
    { name: "arm-1", attribute: packages("arm", ARM), system: ARM, state: "DependencyFailed" },
  ]);
  second = await addSceneEvaluation(db, acme, { state: "Building", commit: "2".repeat(40) });
  const b = await addSceneBuilds(db, acme, second.id, [
    { name: "gtk+-1", attribute: packages("gtk+"), state: "Completed" },
    {
      name: "good-2",
      attribute: packages("good"),
      state: "FailedPermanent",
      attempt: "build_failed",
    },
    { name: "waits-1", attribute: packages("waits"), state: "Queued", attempt: "pending" },
    { name: "runs-1", attribute: packages("runs"), state: "Building", attempt: "running" },
  ]);
  numbers = new Map([...a, ...b]);
  await seedSecret();
});
afterAll(() => server[Symbol.asyncDispose]());

async function seedSecret(): Promise<void> {
  const db = server.services.database.kysely;
  await server.put("orgs", alice, { name: "secret", display_name: "Secret" });
  const organizationId = String((await server.get("orgs/secret", alice)).message.id);
  const of = { organization: "secret", project: "app", isPublic: false, organizationId };
  const project: SceneProject = await addSceneProject(db, of);
  hidden = await addSceneEvaluation(db, project, { state: "Building", commit: "3".repeat(40) });
  const built = await addSceneBuilds(db, project, hidden.id, [
    { name: "secret-1", attribute: packages("secret"), state: "Completed", attempt: "built" },
    { name: "plan-1", attribute: packages("plan"), state: "Queued", attempt: "pending" },
  ]);
  secret = built.get("secret-1") ?? 0;
}

describe("a build", () => {
  test("is JSON, by its number or its derivation, also as Guix asks", async () => {
    const path = `/build/${numberOf("good-1")}`;
    for (const each of [path, `${path}?`, `${path}/`, `/build/${sceneDrv("good-1")}`]) {
      const answer = await server.call("GET", each, { headers: { accept: "text/html" } });
      expect([answer.status, answer.headers.get("content-type")]).toEqual([
        200,
        "application/json;charset=utf-8",
      ]);
      expect(answer.json, each).toMatchObject({
        id: numberOf("good-1"),
        jobset: "acme.web",
        buildstatus: 0,
      });
    }
  });

  test("has all keys that clients read, as integers", async () => {
    for (const name of numbers.keys()) {
      const { text: body } = await get(`/build/${numberOf(name)}`);
      const build: Record<string, unknown> = JSON.parse(body);
      expect(Object.keys(build)).toEqual([
        "id",
        "evaluation",
        "jobset",
        "job",
        "timestamp",
        "starttime",
        "stoptime",
        "derivation",
        "buildoutputs",
        "system",
        "nixname",
        "buildstatus",
        "weather",
        "busy",
        "priority",
        "finished",
        "buildproducts",
      ]);
      for (const key of [
        "id",
        "evaluation",
        "timestamp",
        "starttime",
        "stoptime",
        "buildstatus",
        "weather",
        "busy",
        "priority",
        "finished",
      ]) {
        expect(Number.isInteger(build[key]), `${name} ${key}`).toBe(true);
      }
    }
  });

  test.each(["fff", "999999", "0", "1.5", "-1", "nothing.drv", "%23f"])(
    "%s is not known",
    async (id) => {
      const answer = await get(`/build/${id}`);
      expect([answer.status, answer.json]).toEqual([
        404,
        { error: `Build with ID ${decodeURIComponent(id)} doesn't exist.` },
      ]);
    },
  );

  test("an address that cannot be decoded is not there", async () => {
    const answer = await get("/build/%zz");
    expect([answer.status, answer.text]).toEqual([404, "Resource not found: /build/%zz"]);
    expect(answer.headers.get("x-request-id")).toEqual(expect.any(String));
  });

  test("is found by its output", async () => {
    const base = sceneDrv("good-1").slice(0, -4);
    expect((await get(`/output/${base}-doc`)).json).toMatchObject({
      name: "doc",
      derivation: `/nix/store/${sceneDrv("good-1")}`,
      build: { id: numberOf("good-1") },
    });
    const missing = await get("/output/nothing");
    expect([missing.status, missing.json]).toEqual([
      404,
      { error: "Output with ID nothing doesn't exist." },
    ]);
  });
});

describe("lists", () => {
  test.each([
    ["/api/latestbuilds?nr=10", ["good-2", "arm-1", "odd-1", "gtk+-1", "good-1"]],
    ["/api/latestbuilds?nr=1000&jobset=acme.web", ["good-2", "arm-1", "odd-1", "gtk+-1", "good-1"]],
    ["/api/latestbuilds?nr=2", ["good-2", "arm-1"]],
    ["/api/latestbuilds?nr=0", []],
    ["/api/latestbuilds?nr=1&nr=2&job", ["good-2", "arm-1"]],
    ["/api/latestbuilds?nr=9&job=gtk+.x86_64-linux", ["gtk+-1"]],
    ["/api/latestbuilds?nr=9&job=gtk%2B.x86_64-linux", ["gtk+-1"]],
    ["/api/latestbuilds?nr=9&job=a%2Cb.x86_64-linux", ["odd-1"]],
    ["/api/latestbuilds?nr=9&job=a%252Cb.x86_64-linux", ["odd-1"]],
    ["/api/latestbuilds?nr=9&job=a=b&system=aarch64-linux", ["arm-1"]],
    ["/api/latestbuilds?nr=9&status=0", ["gtk+-1", "good-1"]],
    ["/api/latestbuilds?nr=1&job=good.x86_64-linux&jobset=acme.web&status=0", ["good-1"]],
    ["/api/latestbuilds?nr=9&project=nonsense", ["good-2", "arm-1", "odd-1", "gtk+-1", "good-1"]],
    ["/api/latestbuilds?nr=1&status=nonsense", ["good-2"]],
    ["/api/latestbuilds?nr=9&jobset=", []],
    ["/api/latestbuilds?nr=9&jobset=secret.app", []],
    ["/api/latestbuilds?nr=9&job=nothing", []],
    ["/api/queue?nr=1000", ["runs-1", "waits-1"]],
    ["/api/queue?nr=1", ["runs-1"]],
    ["/api/queue?nr=9&job=waits.x86_64-linux", ["waits-1"]],
    ["/api/queue?nr=9&jobset=unknown", []],
  ])("%s", async (path, wanted) => {
    expect(await names(path)).toEqual(wanted);
  });

  test("of builds of an evaluation have those that it registered", async () => {
    expect(await names(`/api/latestbuilds?nr=9&evaluation=${second.number}`)).toEqual(["good-2"]);
    expect(await names("/api/latestbuilds?nr=9&evaluation=999")).toEqual([]);
  });

  test("of evaluations have the newest first", async () => {
    const ids = async (path: string) => {
      const { text: body } = await get(path);
      return JSON.parse(body).map((each: { id: number }) => each.id);
    };
    expect(await ids("/api/evaluations?nr=10")).toEqual([second.number, first.number]);
    expect(await ids("/api/evaluations?nr=1&spec=acme.web")).toEqual([second.number]);
    expect(await ids("/api/evaluations?nr=1&spec=unknown")).toEqual([]);
    const one = await get(`/api/evaluation?id=${first.number}`);
    expect(one.json).toMatchObject({
      id: first.number,
      specification: "acme.web",
      status: 0,
      checkouts: [{ commit: "1".repeat(40) }],
    });
  });

  test("of jobs have all of an evaluation, by name", async () => {
    const jobs = await get(`/api/jobs?evaluation=${second.number}`);
    expect(jobs.json).toEqual([
      { build: numberOf("good-2"), status: 1, name: `good.${LINUX}` },
      { build: numberOf("gtk+-1"), status: 0, name: `gtk+.${LINUX}` },
      { build: numberOf("runs-1"), status: -1, name: `runs.${LINUX}` },
      { build: numberOf("waits-1"), status: -2, name: `waits.${LINUX}` },
    ]);
    const some = await get(
      `/api/jobs?evaluation=${second.number}&names=gtk%2B.${LINUX},none,runs.${LINUX}&system=${LINUX}`,
    );
    expect(some.json).toHaveLength(2);
    expect((await get(`/api/jobs?evaluation=${first.number}&system=${ARM}`)).json).toHaveLength(1);
    expect((await get("/api/jobs?evaluation=999")).json).toEqual([]);
  });

  test("of what jobs came to have the evaluations that have them", async () => {
    const path = `/api/jobs/history?spec=acme.web&names=good.${LINUX},a%2Cb.${LINUX}&nr=20`;
    const wanted = [
      {
        evaluation: second.number,
        checkouts: [{ commit: "2".repeat(40), channel: "web", directory: "" }],
        jobs: [{ build: numberOf("good-2"), status: 1, name: `good.${LINUX}` }],
      },
      {
        evaluation: first.number,
        checkouts: [{ commit: "1".repeat(40), channel: "web", directory: "" }],
        jobs: [
          { build: numberOf("odd-1"), status: 4, name: `a%2Cb.${LINUX}` },
          { build: numberOf("good-1"), status: 0, name: `good.${LINUX}` },
        ],
      },
    ];
    expect((await get(path)).json).toEqual(wanted);
    expect((await get(path.replace("spec=", "specification="))).json).toEqual(wanted);
    expect((await get(path.replace("acme.web", "unknown"))).json).toEqual([]);
  });

  test.each(["/jobsets", "/specifications", "/specifications/1", "/jobsets/"])(
    "of jobsets: %s",
    async (path) => {
      expect((await get(path)).json).toEqual([
        {
          name: "acme.web",
          build: "custom",
          channels: [
            { name: "web", url: "https://example.org/repo.git", branch: "HEAD", commit: false },
          ],
          "build-outputs": [],
          notifications: [],
          period: 0,
          priority: 5,
          systems: [ARM, LINUX],
        },
      ]);
    },
  );
});

test("a jobset that mails says so, and nobody's address", async () => {
  const { id: project } = await server.services.database.kysely
    .selectFrom("projects")
    .select("id")
    .where("name", "=", "web")
    .executeTakeFirstOrThrow();
  const action = {
    project_id: project,
    config_json: JSON.stringify({ type: "send_mail", recipients: ["ops@example.org"] }),
    events_json: "[]",
    created_by: "x",
    created_at: 1,
    updated_at: 1,
  };
  await server.services.database.kysely
    .insertInto("actions")
    .values([
      { ...action, id: "1", name: "mail", type: "send_mail", active: 1 },
      { ...action, id: "2", name: "off", type: "send_mail", active: 0 },
      { ...action, id: "3", name: "hook", type: "send_web_request", active: 1 },
    ])
    .execute();
  const { json } = await get("/jobsets");
  await server.services.database.kysely.deleteFrom("actions").execute();
  expect(json).toMatchObject([{ name: "acme.web", notifications: [{ type: "email" }] }]);
});

describe("what is wrong is refused as by Cuirass", () => {
  const marked = { error: "Parameter not defined!" };
  const plain = { error: "Parameter not defined" };
  const limit = { error: "Maximum limit exceeded" };
  test.each([
    ["/api/evaluation", 500, marked],
    ["/api/evaluation?id=x", 500, marked],
    ["/api/evaluation?id=999", 404, { error: "Evaluation with ID 999 doesn't exist." }],
    ["/api/evaluations", 500, marked],
    ["/api/evaluations?nr", 500, marked],
    ["/api/evaluations?nr=1001", 500, limit],
    ["/api/jobs", 500, marked],
    ["/api/jobs?evaluation=", 500, marked],
    ["/api/latestbuilds", 500, plain],
    ["/api/latestbuilds?nr=abc", 500, plain],
    ["/api/latestbuilds?nr=-1", 500, plain],
    ["/api/latestbuilds?nr=1.5", 500, plain],
    ["/api/latestbuilds?nr=%31", 500, plain],
    ["/api/latestbuilds?nr=1&evaluation=", 500, plain],
    ["/api/latestbuilds?nr=1001", 500, limit],
    ["/api/queue", 500, plain],
    ["/api/queue?nr=1001", 500, limit],
    ["/api/jobs/history?names=a&nr=1", 500, plain],
    ["/api/jobs/history?spec=acme.web&nr=1", 500, plain],
    ["/api/jobs/history?spec=acme.web&names=a", 500, plain],
    ["/api/jobs/history?spec=acme.web&names=a&nr=101", 500, limit],
  ])("%s", async (path, status, body) => {
    const answer = await get(path);
    expect([answer.status, answer.json, answer.headers.get("content-type")]).toEqual([
      status,
      body,
      "application/json;charset=utf-8",
    ]);
  });

  test.each([
    ["GET", "/api/workers"],
    ["GET", "/api/jobsets"],
    ["GET", "/jobset/acme.web/rss"],
    ["GET", "/build"],
    ["POST", "/api/queue?nr=1"],
    ["OPTIONS", "/build/1"],
    ["GET", "/output/x/y/"],
  ])("%s %s is text", async (method, path) => {
    const answer = await server.call(method, path);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([
      404,
      "text/plain;charset=utf-8",
    ]);
    expect(answer.text).toBe(`Resource not found: ${path.split("?", 1)[0]}`);
  });
});

describe("what is private", () => {
  const places = () => [
    `/build/${secret}`,
    `/build/${sceneDrv("secret-1")}`,
    `/output/${sceneDrv("secret-1").slice(0, -4)}`,
    `/api/evaluation?id=${hidden.number}`,
  ];
  const lists = () => [
    "/api/latestbuilds?nr=9&jobset=secret.app",
    "/api/queue?nr=9&jobset=secret.app",
    "/api/evaluations?nr=9&spec=secret.app",
    `/api/jobs?evaluation=${hidden.number}`,
    `/api/jobs/history?spec=secret.app&names=secret.${LINUX}&nr=9`,
  ];

  test("is not there for who may not see it, and never forbidden", async () => {
    for (const token of [undefined, bob, "GRADnonsense"]) {
      for (const path of places()) expect((await get(path, token)).status, path).toBe(404);
      for (const path of lists()) expect((await get(path, token)).json, path).toEqual([]);
      expect((await get("/jobsets", token)).json).toHaveLength(1);
      expect(await names("/api/queue?nr=9", token)).not.toContain("plan-1");
    }
  });

  test("is shown to a token, wherever an address can have one", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg"] });
    const basic = (credentials: string) => ({
      authorization: `Basic ${Buffer.from(credentials).toString("base64")}`,
    });
    for (const path of [...places(), ...lists()]) {
      const joined = `${path}${path.includes("?") ? "&" : "?"}token=${key}`;
      for (const answer of [
        await get(path, key),
        await get(joined),
        await server.call("GET", path, { headers: basic(`${key}:`) }),
        await server.call("GET", path, { headers: basic(`guix:${key}`) }),
      ]) {
        expect(answer.status, path).toBe(200);
        expect(answer.text, path).not.toBe("[]");
      }
    }
    expect(await names("/api/queue?nr=9", key)).toEqual(["runs-1", "waits-1", "plan-1"]);
    expect((await get("/jobsets", key)).json).toHaveLength(2);
  });

  test("a key that is pinned to an organization shows that one alone, one that may not view and one of a cache what everybody sees", async () => {
    const pinned = await server.key(alice, { permissions: ["viewOrg"], organization: "secret" });
    expect(await names("/api/latestbuilds?nr=9", pinned)).toEqual(["secret-1"]);
    expect((await get(`/build/${numberOf("good-1")}`, pinned)).status).toBe(404);
    const blind = await server.key(alice, { permissions: ["triggerEvaluation"] });
    expect((await get(`/build/${secret}`, blind)).status).toBe(404);
    expect(await names("/api/queue?nr=9", blind)).toEqual(["runs-1", "waits-1"]);
    await server.put("caches", alice, { name: "main", display_name: "Main", priority: 1 });
    const ofCache = await server.key(alice, { permissions: ["viewCache"], cache: "main" });
    expect((await get(`/build/${secret}`, ofCache)).status).toBe(404);
    expect(await names("/api/latestbuilds?nr=1", ofCache)).toEqual(["good-2"]);
  });
});

test("answers to pipelined requests come in order, each with its length", async () => {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const ask = (path: string, more = "") =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Guix Data Service\r\n${more}\r\n`;
  const drv = sceneDrv("good-1");
  const paths = [
    `/build/${drv}`,
    "/build/nothing.drv",
    `/output/${drv.slice(0, -4)}`,
    "/output/nothing",
    "/api/workers",
  ];
  socket.write(
    Array.from({ length: 20 }, () => paths.map((path) => ask(path)).join("")).join("") +
      ask("/build/1", "Connection: close\r\n"),
  );
  const answers = await text(socket);
  const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  expect(statuses).toEqual([
    ...Array.from({ length: 20 }, () => ["200", "404", "200", "404", "404"]).flat(),
    "200",
  ]);
  expect(answers.match(/content-length: \d+/gi)).toHaveLength(101);
  expect(answers).not.toMatch(/transfer-encoding/i);
});

test("a list of more jobs than are read at once is whole, and nobody may see it who may not", async () => {
  const db = server.services.database.kysely;
  const { derivation_id: derivation } = await db
    .selectFrom("jobs")
    .select("derivation_id")
    .where("evaluation_id", "=", hidden.id)
    .executeTakeFirstOrThrow();
  const many = Array.from({ length: 2500 }, (_, at) => packages(`many-${at}`));
  const jobs = many.map((attribute) => ({ attribute, derivation, error: null }));
  await upsertJobs(db, hidden.id, jobs, SCENE_TIME);
  const path = `/api/jobs?evaluation=${hidden.number}`;
  const { json, headers } = await get(path, alice);
  expect(headers.get("content-type")).toBe("application/json;charset=utf-8");
  const names = (json as { name: string }[]).map(({ name }) => name);
  expect(names).toEqual(
    ["plan", "secret", ...many.map(([, , name]) => name)].map((name) => `${name}.${LINUX}`).sort(),
  );
  expect((await get(path, bob)).json).toEqual([]);
});
