import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { HEAD, openTestServer, type TestServer } from "../../../server.test-support.ts";

const PROJECT = "projects/acme/tools";
const PATH = `${PROJECT}/triggers`;

let server: TestServer;
let alice: string;
let viewer: string;
let stranger: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  viewer = await server.user("viewer");
  stranger = await server.user("stranger");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  await server.delete(PROJECT, alice);
  await server.put("projects/acme", alice, {
    name: "tools",
    display_name: "Tools",
    repository: "https://example.com/tools.git",
    wildcard: "*",
  });
});

async function addIntegration(kind: "inbound" | "outbound"): Promise<string> {
  const body = {
    name: `forge-${Math.random().toString(36).slice(2)}`,
    kind,
    forge_type: "gitea",
    secret: "s3cret",
    endpoint_url: "https://git.example.org",
  };
  return (await server.put("orgs/acme/integrations", alice, body)).message.id;
}

test("a new project polls its repository every five minutes, and not at once", async () => {
  const { message } = await server.get(PATH, viewer);
  expect(message).toEqual([
    {
      id: expect.any(String),
      project: (await server.get(PROJECT, alice)).message.id,
      type: "polling",
      config: { type: "polling", interval_secs: 300 },
      active: true,
      last_fired_at: null,
      last_checked_at: null,
      next_check_at: expect.stringMatching(/Z$/),
      error: null,
      created_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
      integration: null,
    },
  ]);
  const [{ created_at: createdAt, next_check_at: nextCheckAt }] = message;
  const delayMs = Date.parse(nextCheckAt) - Date.parse(createdAt);
  expect(delayMs).toBeGreaterThanOrEqual(300_000);
  expect(delayMs).toBeLessThanOrEqual(330_000);
});

test("a trigger is made, read, changed, switched off and removed", async () => {
  const time = { type: "time", cron: "0 30 2 * * *" };
  const { message: made } = await server.post(PATH, alice, { config: time });
  expect(made).toMatchObject({ type: "time", config: time, active: true });
  expect(made.next_check_at).toMatch(/T02:30:00.000Z$/);
  const path = `${PATH}/${made.id}`;
  expect((await server.get(path, viewer)).message).toEqual(made);

  const polling = { type: "polling", interval_secs: 10, branch: "next" };
  const { message: changed } = await server.patch(path, alice, { config: polling });
  expect(changed).toMatchObject({ type: "polling", config: polling, active: true });
  const { message: off } = await server.patch(path, alice, { active: false });
  expect(off).toMatchObject({ config: polling, active: false, next_check_at: null });

  expect((await server.delete(path, alice)).message).toEqual({ deleted: true });
  expect((await server.get(path, alice)).status).toBe(404);
});

test("a trigger of a forge names the integration that tells it, until that is gone", async () => {
  const integration = await addIntegration("inbound");
  const config = { type: "reporter_push", integration_id: integration, branches: ["main"] };
  const { message } = await server.post(PATH, alice, { config });
  expect(message).toMatchObject({
    config,
    next_check_at: null,
    integration: { id: integration, forge_type: "gitea" },
  });
  await server.delete(`orgs/acme/integrations/${integration}`, alice);
  expect((await server.get(`${PATH}/${message.id}`, alice)).message).toMatchObject({
    config: { type: "reporter_push", integration_id: null },
    integration: null,
    error: "nothing tells it any more: the integration is gone",
  });
});

test("a project that goes to another organization is told nothing by the old one's forges", async () => {
  const config = { type: "reporter_push", integration_id: await addIntegration("inbound") };
  const { id } = (await server.post(PATH, alice, { config })).message;
  await server.put("orgs", alice, { name: "other", display_name: "Other" });
  const moved = await server.post(`${PROJECT}/transfer`, alice, { organization: "other" });
  expect(moved.status).toBe(200);
  const path = "projects/other/tools";
  expect((await server.get(`${path}/triggers/${id}`, alice)).message.integration).toBeNull();
  await server.delete(path, alice);
});

test.each([
  [400, { type: "polling", interval_secs: 9 }],
  [400, { type: "polling", interval_secs: 10, branch: "a..b" }],
  [400, { type: "time", cron: "* * * * *" }],
  [400, { type: "time", cron: "0 0 0 31 2 *" }],
  [400, { type: "time", cron: "* * * * * *" }],
  [400, { type: "time", cron: "0,55 * * * * *" }],
  [400, { type: "time", cron: "nonsense" }],
  [400, { type: "reporter_push", integration_id: "019a0000-0000-7000-8000-000000000001" }],
  [422, { type: "reporter_push" }],
  [422, { type: "polling" }],
  [422, { type: "other" }],
])("a configuration that breaks a rule is refused: %i %j", async (status, config) => {
  expect((await server.post(PATH, alice, { config })).status).toBe(status);
});

test("an outbound integration tells nothing", async () => {
  const config = {
    type: "reporter_pull_request",
    integration_id: await addIntegration("outbound"),
  };
  const answer = await server.post(PATH, alice, { config });
  expect([answer.status, answer.message]).toEqual([400, expect.stringContaining("is outbound")]);
});

test("who may only look changes nothing, and strangers see nothing", async () => {
  const [{ id }] = (await server.get(PATH, alice)).message;
  const config = { type: "time", cron: "0 0 0 * * *" };
  for (const [token, status] of [
    [viewer, 403],
    [stranger, 404],
    [undefined, 401],
  ] as const) {
    expect((await server.post(PATH, token, { config })).status).toBe(status);
    expect((await server.patch(`${PATH}/${id}`, token, { active: false })).status).toBe(status);
    expect((await server.delete(`${PATH}/${id}`, token)).status).toBe(status);
    expect((await server.post(`${PATH}/${id}/test`, token)).status).toBe(status);
  }
  expect((await server.get(PATH, stranger)).status).toBe(404);
  expect((await server.get(PATH)).status).toBe(401);
});

test("a trigger of another project is not there", async () => {
  await server.put("projects/acme", alice, {
    name: "other",
    display_name: "Other",
    repository: "https://example.com/other.git",
    wildcard: "*",
  });
  const [{ id }] = (await server.get("projects/acme/other/triggers", alice)).message;
  expect((await server.get(`${PATH}/${id}`, alice)).status).toBe(404);
  await server.delete("projects/acme/other", alice);
});

test("a trigger that is tried out starts an evaluation of the newest commit at once", async () => {
  const [{ id }] = (await server.get(PATH, alice)).message;
  const { message } = await server.post(`${PATH}/${id}/test`, alice);
  expect(message).toEqual({ outcome: "Created", evaluation_id: expect.any(String) });
  expect(server.calls.triggered.at(-1)).toMatchObject({
    trigger: { id, type: "polling" },
    revision: HEAD,
    reference: null,
    repeats: "allowed",
  });
  expect((await server.get(`${PATH}/${id}`, alice)).message.last_fired_at).toMatch(/Z$/);
  await server.patch(`${PATH}/${id}`, alice, { active: false });
  expect((await server.post(`${PATH}/${id}/test`, alice)).status).toBe(400);
});
