import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { createLogger } from "../logger.ts";
import { MasterKey } from "../keys/master-key.ts";
import { TestMailServer } from "../mail/mail-server.test-support.ts";
import { SmtpMailer } from "../mail/smtp-mailer.ts";
import type { Mailer } from "../mail/mailer.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { OutboundClient } from "../outbound/outbound-client.ts";
import { makeDerivation } from "../test-objects.test-support.ts";
import { evaluate, openScene, reportBuilt, type Scene } from "../test-scene.test-support.ts";
import type { ActionConfig, ActionEvent } from "./action-config.ts";
import { ACTION_EVENTS } from "./action-config.ts";
import { openActionOutbox } from "./action-outbox.ts";
import { changeAction, createAction, getAction } from "./change-action.ts";

const masterKey = new MasterKey(Buffer.alloc(32, 7));

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A real receiver that answers as it is set. */
class Receiver {
  readonly received: Received[] = [];
  status = 204;
  url = "";
  /** Takes what comes and does not answer. */
  isSilent = false;
  #waiting: (() => void)[] = [];
  readonly #server = createServer((request, response) => {
    void text(request).then(async (body) => {
      this.received.push({ headers: request.headers, body });
      for (const wake of this.#waiting.splice(0)) wake();
      if (this.isSilent) await new Promise<void>((resolve) => this.#unanswered.push(resolve));
      response.writeHead(this.status).end(this.status === 204 ? undefined : "why not");
    });
  });
  #unanswered: (() => void)[] = [];

  /** Resolves when so many requests have come. */
  async count(count: number): Promise<void> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  answer(): void {
    this.isSilent = false;
    for (const answer of this.#unanswered.splice(0)) answer();
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
    onTestFinished(async () => {
      this.#server.closeAllConnections();
      await new Promise((resolve) => this.#server.close(resolve));
    });
    return this;
  }

  events(): string[] {
    return this.received.map(({ body }) => (JSON.parse(body) as { event: string }).event);
  }
}

let scene: Scene;
let clock: ManualClock;
let outbound: OutboundClient;
let receiver: Receiver;
let mailer: Mailer | null;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock });
  outbound = new OutboundClient({ allowedRanges: ["127.0.0.0/8"] });
  receiver = await new Receiver().listen();
  mailer = null;
});
afterEach(async () => {
  await outbound[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
});

const parts = () => ({ database: scene.farm.database, masterKey, outbound, mailer });

async function act(config: ActionConfig, events: readonly ActionEvent[], name = "act") {
  const { project: projectId, id: organizationId } = scene.organization;
  const of = { projectId, organizationId, createdBy: projectId };
  const settings = { name, config, events, isActive: true };
  const { id, token } = await createAction(parts(), of, settings, clock.now());
  return { id, token };
}

const hook = (token?: string | null): ActionConfig => ({
  type: "send_web_request",
  url: receiver.url,
  ...(token === undefined ? {} : { token }),
});

const open = () =>
  openActionOutbox({
    ...parts(),
    clock,
    logger: createLogger("silent"),
    serveUrl: "https://farm.example",
  });

/** Rounds until the given time has passed. */
async function pass(seconds: number): Promise<void> {
  await using rounds = open();
  for (let second = 0; second < seconds; second += 2) {
    await clock.advance(2000);
    await rounds.idle();
  }
}

function deliveries() {
  return scene.farm.database.kysely
    .selectFrom("action_deliveries")
    .selectAll()
    .orderBy("created_at")
    .orderBy("event")
    .execute();
}

/** An evaluation with one build, which a worker makes. */
async function build(): Promise<string> {
  const { worker } = scene;
  const app = makeDerivation("app");
  const evaluation = await evaluate(scene, [app]);
  await reportBuilt(worker, await worker.takeOffer(), app);
  await worker.next("ack");
  return evaluation;
}

test("a receiver is told of an evaluation and its build from the beginning to the end", async () => {
  await act(hook(), ACTION_EVENTS);
  const evaluation = await build();
  await pass(4);
  expect(receiver.events().toSorted()).toEqual([
    "build.completed",
    "build.queued",
    "build.started",
    "evaluation.building",
    "evaluation.completed",
    "evaluation.queued",
    "evaluation.started",
  ]);
  const last = receiver.received.find(({ body }) => body.includes("evaluation.completed"));
  const { number } = await scene.farm.database.kysely
    .selectFrom("evaluations")
    .select("number")
    .executeTakeFirstOrThrow();
  expect(JSON.parse(last?.body ?? "")).toMatchObject({
    event: "evaluation.completed",
    project: scene.organization.project,
    organization: scene.organization.id,
    id: evaluation,
    status: "completed",
    state: "Completed",
    commit: "a".repeat(40),
    url: `https://farm.example/eval/${number}`,
  });
  const built = receiver.received.find(({ body }) => body.includes("build.completed"));
  const link = await scene.farm.database.kysely
    .selectFrom("evaluation_builds")
    .select("id")
    .executeTakeFirstOrThrow();
  expect(JSON.parse(built?.body ?? "")).toMatchObject({ id: link.id, derivation: "app" });
  // Nobody is told twice.
  await pass(20);
  expect(receiver.received).toHaveLength(7);
});

test("a request is signed with its token, which lies in the database sealed", async () => {
  const { id, token } = await act(hook(), ["evaluation.queued"]);
  await build();
  await pass(2);
  const [request] = receiver.received;
  expect(request?.headers).toMatchObject({
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "x-gradient-event": "evaluation.queued",
    "x-gradient-signature": `sha256=${createHmac("sha256", token ?? "")
      .update(request?.body ?? "")
      .digest("hex")}`,
  });
  const row = await scene.farm.database.kysely
    .selectFrom("actions")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  expect(JSON.stringify([row, await deliveries()])).not.toContain(token);
});

test("only what is asked for is told, and without a token when there is to be none", async () => {
  await act(hook(null), ["evaluation.failed", "build.failed", "build.completed"]);
  await build();
  await pass(2);
  expect(receiver.events()).toEqual(["build.completed"]);
  expect(receiver.received[0]?.headers.authorization).toBeUndefined();
});

test("a receiver that is down is asked again later, after a restart too, with the same delivery", async () => {
  receiver.status = 503;
  await act(hook(), ["evaluation.completed"]);
  await build();
  await pass(2);
  expect(receiver.received).toHaveLength(1);
  await pass(6);
  expect(receiver.received).toHaveLength(1);
  expect(await deliveries()).toMatchObject([
    { is_delivered: 0, response_status: 503, response_body: "why not", tries: 1 },
  ]);
  receiver.status = 204;
  await pass(8);
  const [first, second] = receiver.received.map(({ headers }) => headers["x-gradient-delivery"]);
  expect(second).toBe(first);
  expect(await deliveries()).toMatchObject([
    { is_delivered: 1, response_status: 204, error: null, tries: 2, due_at: null },
  ]);
});

test("a receiver that refuses is not asked again", async () => {
  receiver.status = 410;
  await act(hook(), ["evaluation.completed"]);
  await build();
  await pass(60);
  expect(receiver.received).toHaveLength(1);
  expect(await deliveries()).toMatchObject([{ error: "it answered 410", due_at: null }]);
});

test("a receiver in a private network that nobody listed is neither taken nor asked", async () => {
  await act(hook(), ["evaluation.completed"]);
  await outbound[Symbol.asyncDispose]();
  outbound = new OutboundClient({ allowedRanges: [] });
  await expect(act(hook(), [])).rejects.toMatchObject({ fault: "address_refused" });
  await build();
  await pass(2);
  expect(receiver.received).toEqual([]);
  expect(await deliveries()).toMatchObject([{ is_delivered: 0, due_at: null }]);
});

test("an action that is switched off forgets what it has not told", async () => {
  receiver.status = 503;
  const { id } = await act(hook(), ["evaluation.completed"]);
  await build();
  await pass(2);
  const { project, id: organizationId } = scene.organization;
  const db = scene.farm.database.kysely;
  const action = await getAction(db, { id: project, name: "" }, id);
  const nothing = { name: null, config: null, events: null };
  await changeAction(parts(), { organizationId, action }, { ...nothing, isActive: false }, 0);
  await pass(60);
  expect(receiver.received).toHaveLength(1);
  expect(await deliveries()).toEqual([]);
});

test("a mail goes to everybody, with a subject of one's own", async () => {
  await using server = await new TestMailServer().listen();
  const from = { name: "Farm", address: "farm@farm.example" };
  const smtp = { host: "127.0.0.1", port: server.port, credentials: null };
  mailer = new SmtpMailer({ ...smtp, from, isTlsRequired: false });
  const recipients = ["ops@example.com", "dev@example.com"];
  const template = "{project} is {status} ({unknown})";
  await act({ type: "send_mail", recipients, subject_template: template }, [
    "evaluation.completed",
  ]);
  await build();
  await pass(2);
  expect(server.received).toMatchObject([{ to: recipients, from: from.address }]);
  const content = server.received[0]?.text.replaceAll("=\r\n", "").replaceAll("\r\n ", " ");
  expect(content).toContain(`Subject: ${scene.organization.project} is completed ({unknown})`);
  expect(content).toContain("https://farm.example/eval/");
});

test("a mail server that is down is asked again", async () => {
  const from = { name: "Farm", address: "farm@farm.example" };
  const server = await new TestMailServer().listen();
  const smtp = { host: "127.0.0.1", port: server.port, credentials: null };
  mailer = new SmtpMailer({ ...smtp, from, isTlsRequired: false });
  await server[Symbol.asyncDispose]();
  await act({ type: "send_mail", recipients: ["ops@example.com"] }, ["evaluation.completed"]);
  await build();
  await pass(2);
  expect(await deliveries()).toMatchObject([
    { is_delivered: 0, tries: 1, due_at: expect.any(Number) },
  ]);
});

test("a receiver that does not answer holds up nobody else, whoever tells it", async () => {
  const silent = await new Receiver().listen();
  silent.isSilent = true;
  const toSilent = [];
  for (let more = 0; more < 40; more += 1) {
    const config: ActionConfig = { type: "send_web_request", url: silent.url };
    toSilent.push(await act(config, [], `silent-${more}`));
  }
  const told = await act(hook(), []);
  const db = scene.farm.database.kysely;
  const deliveries = [...toSilent, ...Array.from({ length: 40 }, () => told)].map((action, at) => ({
    id: uuidv7(),
    action_id: action.id,
    event: `event-${at}`,
    state: "Completed",
    created_at: clock.now(),
    due_at: clock.now() + at,
    tries: 0,
  }));
  await db.insertInto("action_deliveries").values(deliveries).execute();
  await using outbox = open();
  await clock.advance(2000);
  await receiver.count(40);
  expect(receiver.events()).toHaveLength(40);
  // It holds its own part of what goes out at once, and the rest of it waits.
  expect(silent.received.length).toBeLessThanOrEqual(4);
  silent.answer();
  await outbox.idle();
  expect(silent.events().toSorted()).toEqual(
    deliveries
      .slice(0, 40)
      .map(({ event }) => event)
      .toSorted(),
  );
  const left = await db
    .selectFrom("action_deliveries")
    .select("id")
    .where("is_delivered", "=", 0)
    .execute();
  expect(left).toEqual([]);
});
