import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Forge } from "../../db/forge-tables.ts";
import { MasterKey } from "../../keys/master-key.ts";
import { createLogger } from "../../logger.ts";
import { ManualClock } from "../../manual-clock.test-support.ts";
import { OutboundClient } from "../../outbound/outbound-client.ts";
import { TestFarm, type TestOrganization } from "../../test-farm.test-support.ts";
import { createAction } from "../../actions/change-action.ts";
import { createIntegration } from "../integrations.ts";
import { openStatusOutbox } from "./status-outbox.ts";

const COMMIT = "a".repeat(40);
const masterKey = new MasterKey(Buffer.alloc(32, 7));

interface Told {
  readonly path: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, string>;
}

/** Plays the endpoint of a forge that takes statuses: a fake over a real socket, which remembers what it was told and answers as it is set. */
class FakeForge {
  readonly told: Told[] = [];
  status = 201;
  #waiting: (() => void)[] = [];
  readonly #server = createServer((request, response) => {
    void this.#take(request).then(() => response.writeHead(this.status).end("{}"));
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    onTestFinished(async () => {
      this.#server.closeAllConnections();
      await new Promise((resolve) => this.#server.close(resolve));
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when so many statuses have come. */
  async count(count: number): Promise<Told[]> {
    while (this.told.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.told;
  }

  async #take(request: IncomingMessage): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = JSON.parse(Buffer.concat(pieces).toString()) as Record<string, string>;
    this.told.push({ path: request.url, headers: request.headers, body });
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

let farm: TestFarm;
let clock: ManualClock;
let organization: TestOrganization;
let outbound: OutboundClient;
let reports: ReturnType<typeof openStatusOutbox>;
let forge: FakeForge;

beforeEach(async () => {
  clock = new ManualClock();
  farm = await TestFarm.open({ clock });
  organization = await farm.addOrganization();
  outbound = new OutboundClient({ allowedRanges: ["127.0.0.0/8"] });
  reports = open();
  forge = new FakeForge();
});
afterEach(async () => {
  await reports[Symbol.asyncDispose]();
  await outbound[Symbol.asyncDispose]();
  await farm[Symbol.asyncDispose]();
});

function open(): ReturnType<typeof openStatusOutbox> {
  return openStatusOutbox({
    database: farm.database,
    clock,
    logger: createLogger("silent"),
    masterKey,
    outbound,
    serveUrl: "https://farm.example",
  });
}

/** An outbound integration of the fake forge, and a project there. */
async function connect(kind: Forge, suffix = ""): Promise<void> {
  const endpointUrl = `${await forge.start()}${suffix}`;
  await createIntegration(
    { db: farm.database.kysely, masterKey, outbound },
    { organizationId: organization.id, createdBy: uuidv7(), kind: "outbound" },
    {
      name: "forge",
      displayName: "Forge",
      forge: kind,
      endpointUrl,
      secret: null,
      accessToken: "t0ken",
    },
    clock.now(),
  );
  await farm.database.kysely
    .updateTable("projects")
    .set({ repository: "ssh://git@127.0.0.1:2222/acme/my tools.git", name: "tools" })
    .execute();
  await farm.database.kysely.updateTable("organizations").set({ name: "acme" }).execute();
}

async function start(revision: string | null = COMMIT, pullRequest?: number): Promise<string> {
  const started = await farm.farm.evaluations.startTriggered({
    projectId: organization.project,
    trigger: { id: uuidv7(), type: "reporter_push" },
    revision,
    reference: null,
    pullRequest:
      pullRequest === undefined
        ? null
        : { number: pullRequest, author: "ann", needsApproval: false },
  });
  if (started.outcome !== "created") throw new Error(started.outcome);
  return started.evaluation;
}

async function numberOf(evaluation: string): Promise<number> {
  const { number } = await farm.database.kysely
    .selectFrom("evaluations")
    .select("number")
    .where("id", "=", evaluation)
    .executeTakeFirstOrThrow();
  return number;
}

async function end(evaluation: string, state: "Completed" | "Failed"): Promise<void> {
  await farm.database.kysely
    .updateTable("evaluations")
    .set({ state })
    .where("id", "=", evaluation)
    .execute();
}

async function countReports(): Promise<number> {
  return (await farm.database.kysely.selectFrom("forge_reports").selectAll().execute()).length;
}

/** Lets time pass, round by round, each with all that it tells. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 2) {
    await reports[Symbol.asyncDispose]();
    reports = open();
    await clock.advance(2000);
    await reports.idle();
  }
}

describe.each([
  {
    kind: "github" as const,
    suffix: "/api/v3",
    path: `/api/v3/repos/acme/my%20tools/statuses/${COMMIT}`,
    header: ["authorization", "Bearer t0ken"] as const,
    words: { success: "success", failure: "failure", error: "error" },
  },
  {
    kind: "gitea" as const,
    suffix: "",
    path: `/api/v1/repos/acme/my%20tools/statuses/${COMMIT}`,
    header: ["authorization", "token t0ken"] as const,
    words: { success: "success", failure: "failure", error: "error" },
  },
  {
    kind: "forgejo" as const,
    suffix: "/",
    path: `/api/v1/repos/acme/my%20tools/statuses/${COMMIT}`,
    header: ["authorization", "token t0ken"] as const,
    words: { success: "success", failure: "failure", error: "error" },
  },
  {
    kind: "gitlab" as const,
    suffix: "",
    path: `/api/v4/projects/acme%2Fmy%20tools/statuses/${COMMIT}`,
    header: ["private-token", "t0ken"] as const,
    words: { success: "success", failure: "failed", error: "canceled" },
  },
])("$kind", ({ kind, suffix, path, header, words }) => {
  test("is told at the start and at the end, with a link to the evaluation's page", async () => {
    await connect(kind, suffix);
    const evaluation = await start();
    await pass(2);
    const [first] = await forge.count(1);
    expect(first?.path).toBe(path);
    expect(first?.headers[header[0]]).toBe(header[1]);
    expect(first?.body).toEqual({
      state: "pending",
      target_url: `https://farm.example/eval/${await numberOf(evaluation)}`,
      description: expect.any(String),
      context: "gradient/acme/tools",
    });
    await pass(20);
    expect(forge.told).toHaveLength(1);
    await end(evaluation, "Completed");
    await pass(2);
    expect(forge.told.map(({ body }) => body["state"])).toEqual(["pending", words.success]);
    expect(await countReports()).toBe(0);
  });

  test("is told of what failed or was aborted", async () => {
    await connect(kind, suffix);
    const failed = await start();
    await end(failed, "Failed");
    await pass(2);
    const aborted = await start(COMMIT, 7);
    await farm.farm.evaluations.abort(aborted);
    await pass(2);
    expect(forge.told.map(({ body }) => [body["state"], body["context"]])).toEqual([
      [words.failure, "gradient/acme/tools"],
      [words.error, "gradient/acme/tools (pull request)"],
    ]);
  });
});

test("a pull request that nobody has allowed yet is told as such", async () => {
  await connect("gitea");
  await farm.farm.evaluations.startTriggered({
    projectId: organization.project,
    trigger: { id: uuidv7(), type: "reporter_pull_request" },
    revision: COMMIT,
    reference: "refs/pull/7/head",
    pullRequest: { number: 7, author: "mallory", needsApproval: true },
  });
  await pass(2);
  expect(forge.told[0]?.body).toMatchObject({
    state: "pending",
    description: expect.stringContaining("has to allow it"),
  });
});

test("a forge that is down is told later, by the next coordinator too, and of the result only", async () => {
  await connect("gitea");
  forge.status = 503;
  const evaluation = await start();
  await pass(2);
  expect(forge.told).toHaveLength(1);
  // Not before ten seconds have passed.
  await pass(4);
  expect(forge.told).toHaveLength(1);
  await end(evaluation, "Completed");
  await farm.stop();
  await farm.start();
  forge.status = 201;
  await pass(20);
  expect(forge.told.map(({ body }) => body["state"])).toEqual(["pending", "success"]);
  expect(await countReports()).toBe(0);
});

test("a forge that refuses the token is not asked again, and the evaluation says so", async () => {
  await connect("gitea");
  forge.status = 401;
  const evaluation = await start();
  await pass(2);
  await pass(60);
  expect(forge.told).toHaveLength(1);
  const messages = await farm.database.kysely
    .selectFrom("evaluation_messages")
    .select(["level", "text"])
    .where("evaluation_id", "=", evaluation)
    .execute();
  expect(messages).toEqual([
    { level: "Warning", text: expect.stringContaining("it answered 401") },
  ]);
  expect(await countReports()).toBe(0);
});

test("a commit that is not known yet is told when it is", async () => {
  await connect("gitea");
  const evaluation = await start(null);
  await pass(4);
  expect(forge.told).toEqual([]);
  await farm.database.kysely
    .updateTable("evaluations")
    .set({ revision: COMMIT })
    .where("id", "=", evaluation)
    .execute();
  await pass(2);
  expect(forge.told).toHaveLength(1);
});

test("an evaluation that ended without a commit is told to nobody", async () => {
  await connect("gitea");
  await end(await start(null), "Failed");
  await pass(2);
  expect(forge.told).toEqual([]);
  expect(await countReports()).toBe(0);
});

test("a repository of another forge is told to nobody", async () => {
  await connect("gitea");
  await farm.database.kysely
    .updateTable("projects")
    .set({ repository: "https://git.example.org/acme/tools" })
    .execute();
  await start();
  expect(await countReports()).toBe(0);
});

test("a forge in a private network that nobody listed is not reached", async () => {
  await connect("gitea");
  await reports[Symbol.asyncDispose]();
  await outbound[Symbol.asyncDispose]();
  outbound = new OutboundClient({ allowedRanges: [] });
  reports = open();
  await start();
  await pass(2);
  expect(forge.told).toEqual([]);
  expect(await countReports()).toBe(0);
});

test("a project's action says which forge is told, and keeps what it was told", async () => {
  await connect("gitea");
  const { kysely: db } = farm.database;
  // Another host than the integration's: only the action leads there.
  await db.updateTable("projects").set({ repository: "https://git.example.org/a/b" }).execute();
  const integration = await db.selectFrom("integrations").select("id").executeTakeFirstOrThrow();
  await createAction(
    { database: farm.database, masterKey, outbound, mailer: null },
    { projectId: organization.project, organizationId: organization.id, createdBy: uuidv7() },
    {
      name: "statuses",
      config: { type: "forge_status_report", integration_id: integration.id },
      events: ["build.failed"],
      isActive: true,
    },
    clock.now(),
  );
  const evaluation = await start();
  await pass(2);
  forge.status = 500;
  await end(evaluation, "Failed");
  await pass(2);
  expect(forge.told.map(({ path }) => path)).toEqual(
    Array(2).fill(`/api/v1/repos/a/b/statuses/${COMMIT}`),
  );
  const kept = await db
    .selectFrom("action_deliveries")
    .select(["event", "is_delivered", "error", "due_at"])
    .orderBy("created_at")
    .execute();
  expect(kept).toEqual([
    { event: "status.pending", is_delivered: 1, error: null, due_at: null },
    { event: "status.failure", is_delivered: 0, error: "it answered 500: {}", due_at: null },
  ]);
});
