import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestMailServer } from "../../../../mail/mail-server.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let viewer: string;
const received: { headers: Record<string, unknown>; body: string }[] = [];
const receiver = createServer((request, response) => {
  void text(request).then((body) => {
    received.push({ headers: request.headers, body });
    response.writeHead(request.url === "/no" ? 403 : 200).end("heard");
  });
});
let url: string;

const ACTIONS = "projects/acme/tools/actions";

beforeAll(async () => {
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  server = await openTestServer({ env: { GRADIENT_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8" } });
  alice = await server.user("alice");
  viewer = await server.user("viewer");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
  await server.put("projects/acme", alice, {
    name: "tools",
    display_name: "Tools",
    repository: `${url}/acme/tools.git`,
    wildcard: "*",
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  receiver.closeAllConnections();
  receiver.close();
});

const hook = (name: string, more: object = {}) => ({
  name,
  config: { type: "send_web_request", url: `${url}/hook`, ...more },
  events: ["build.failed"],
});

test("an action is made, shown, changed and removed; its token is shown once", async () => {
  const made = await server.post(ACTIONS, alice, hook("chat"));
  const { action, token } = made.message;
  expect(action).toEqual({
    id: expect.any(String),
    name: "chat",
    action_type: "send_web_request",
    config: { type: "send_web_request", url: `${url}/hook`, has_token: true },
    events: ["build.failed"],
    active: true,
    last_fired_at: null,
    created_by: expect.any(String),
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  expect(token).toMatch(/^[\w-]{43}$/);
  const path = `${ACTIONS}/${action.id}`;
  expect((await server.get(path, viewer)).message).toEqual(action);
  expect((await server.get(ACTIONS, viewer)).message).toEqual([action]);
  const changed = await server.patch(path, alice, {
    name: "talk",
    events: ["evaluation.failed", "evaluation.failed"],
    active: false,
  });
  expect(changed.message).toMatchObject({
    name: "talk",
    events: ["evaluation.failed"],
    active: false,
    config: { has_token: true },
  });
  const config = { type: "send_web_request", url: `${url}/other`, token: null };
  expect((await server.patch(path, alice, { config })).message.config).toEqual({
    type: "send_web_request",
    url: `${url}/other`,
    has_token: false,
  });
  const renewed = await server.post(`${path}/regenerate-token`, alice);
  expect(renewed.message).toMatch(/^[\w-]{43}$/);
  expect((await server.call("DELETE", path, { token: alice })).message).toBe(true);
  expect((await server.get(path, alice)).status).toBe(404);
});

test("a token of one's own is taken, and null is none", async () => {
  const own = await server.post(ACTIONS, alice, hook("own", { token: "s3cret" }));
  expect(own.message.token).toBe("s3cret");
  const none = await server.post(ACTIONS, alice, hook("none", { token: null }));
  expect(none.message).toMatchObject({ token: null, action: { config: { has_token: false } } });
});

test.each([
  ["a name twice", () => hook("twice"), 409, "already_exists"],
  ["a name that is none", () => hook(" x"), 400, "bad_request"],
  ["an event that does not exist", () => ({ ...hook("x"), events: ["build.late"] }), 422, ""],
  ["an address of another kind", () => hook("x", { url: "ftp://example.com" }), 400, ""],
  ["a private address", () => hook("x", { url: "http://10.0.0.1/" }), 400, "address_refused"],
  ["a token with a line break", () => hook("x", { token: "a\nb" }), 422, ""],
  [
    "mail where there is none",
    () => ({ name: "x", config: { type: "send_mail", recipients: ["a@example.com"] } }),
    400,
    "bad_request",
  ],
  [
    "a forge that is none of the organization's",
    () => ({
      name: "x",
      config: {
        type: "forge_status_report",
        integration_id: "019a0000-0000-7000-8000-000000000001",
      },
    }),
    400,
    "bad_request",
  ],
])("%s is refused", async (_, body, status, code) => {
  await server.post(ACTIONS, alice, hook("twice"));
  const answer = await server.post(ACTIONS, alice, body());
  expect([answer.status, answer.json?.code]).toEqual([
    status,
    code === "" ? expect.any(String) : code,
  ]);
});

test("members without the permission read actions, and neither change nor test them nor see what was told", async () => {
  const { action } = (await server.post(ACTIONS, alice, hook("guarded"))).message;
  const path = `${ACTIONS}/${action.id}`;
  const answers = await Promise.all([
    server.post(ACTIONS, viewer, hook("mine")),
    server.patch(path, viewer, { active: false }),
    server.call("DELETE", path, { token: viewer }),
    server.post(`${path}/test`, viewer),
    server.post(`${path}/regenerate-token`, viewer),
    server.get(`${path}/deliveries`, viewer),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
});

test("a test is sent at once and stands among the deliveries with what came back", async () => {
  const { action, token } = (await server.post(ACTIONS, alice, hook("tested"))).message;
  const path = `${ACTIONS}/${action.id}`;
  received.length = 0;
  expect((await server.post(`${path}/test`, alice)).message).toBe(true);
  expect(received[0]?.headers).toMatchObject({ authorization: `Bearer ${token}` });
  expect(JSON.parse(received[0]?.body ?? "")).toMatchObject({
    event: "build.failed",
    project: "tools",
    organization: "acme",
    synthetic: true,
  });
  const config = { type: "send_web_request", url: `${url}/no` };
  await server.patch(path, alice, { config });
  expect((await server.post(`${path}/test`, alice)).message).toBe(false);
  const list = (await server.get(`${path}/deliveries?limit=1`, alice)).message;
  expect(list).toMatchObject({ total: 2, limit: 1, offset: 0 });
  expect(list.items).toMatchObject([
    { success: false, pending: false, response_status: 403, error_message: "it answered 403" },
  ]);
  const detail = (await server.get(`${path}/deliveries/${list.items[0].id}`, alice)).message;
  expect(detail).toMatchObject({ response_body: "heard", event: "build.failed" });
  expect(JSON.parse(detail.request_body)).toMatchObject({ event: "build.failed" });
  expect((await server.get(path, alice)).message.last_fired_at).not.toBeNull();
});

test("a status report is tested by asking the forge for the repository", async () => {
  await server.put("orgs/acme/integrations", alice, {
    name: "forge",
    kind: "outbound",
    forge_type: "gitea",
    endpoint_url: url,
    access_token: "t0ken",
  });
  const [integration] = (await server.get("orgs/acme/integrations", alice)).message;
  const config = { type: "forge_status_report", integration_id: integration.id };
  const body = { name: "statuses", config, events: ["build.failed"] };
  const { action } = (await server.post(ACTIONS, alice, body)).message;
  expect(action).toMatchObject({ config, events: [] });
  received.length = 0;
  expect((await server.post(`${ACTIONS}/${action.id}/test`, alice)).message).toBe(true);
  expect(received[0]?.headers).toMatchObject({ authorization: "token t0ken" });
  const answer = await server.post(`${ACTIONS}/${action.id}/regenerate-token`, alice);
  expect(answer.status).toBe(400);
});

test("a managed project's actions are not changed", async () => {
  const { action } = (await server.post(ACTIONS, alice, hook("managed"))).message;
  const { kysely } = server.services.database;
  await kysely.updateTable("projects").set({ managed: 1 }).execute();
  const path = `${ACTIONS}/${action.id}`;
  expect((await server.post(ACTIONS, alice, hook("more"))).status).toBe(403);
  expect((await server.patch(path, alice, { active: false })).status).toBe(403);
  expect((await server.post(`${path}/test`, alice)).status).toBe(200);
  await kysely.updateTable("projects").set({ managed: 0 }).execute();
});

test("a mail is tested by sending one", async () => {
  await using mail = await new TestMailServer().listen();
  await using other = await openTestServer({ env: mail.env() });
  const bob = await other.user("bob");
  await other.put("orgs", bob, { name: "acme", display_name: "Acme" });
  const project = { name: "tools", display_name: "T", repository: "https://x.yy/z", wildcard: "*" };
  await other.put("projects/acme", bob, project);
  const config = { type: "send_mail", recipients: ["ops@example.com"] };
  const made = await other.post(ACTIONS, bob, { name: "mail", config, events: ["build.failed"] });
  expect(made.message).toMatchObject({ token: null, action: { config } });
  const wrong = { name: "w", config: { ...config, recipients: ["no address"] } };
  expect((await other.post(ACTIONS, bob, wrong)).json?.code).toBe("invalid_email");
  const { id } = made.message.action;
  expect((await other.post(`${ACTIONS}/${id}/test`, bob)).message).toBe(true);
  expect(mail.received).toMatchObject([{ to: ["ops@example.com"] }]);
});
