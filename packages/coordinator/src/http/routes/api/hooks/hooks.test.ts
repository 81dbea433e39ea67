import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestServer, type Answer, type TestServer } from "../../../server.test-support.ts";
import {
  COMMIT,
  gitlabPush,
  hmac,
  mergeRequest,
  pullRequest,
  push,
  removal,
} from "./payloads.test-support.ts";

const HOST = "git.example.org";
const SECRET = "hush-hush";

type Forge = "github" | "gitea" | "forgejo" | "gitlab";

let server: TestServer;
let alice: string;
let deliveries = 0;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  for (const forge of ["github", "gitea", "forgejo", "gitlab"] satisfies Forge[]) {
    await server.put("orgs/acme/integrations", alice, {
      name: forge,
      kind: "inbound",
      forge_type: forge,
      secret: SECRET,
    });
  }
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  server.calls.triggered.length = 0;
  server.calls.closedPullRequests.length = 0;
  await server.delete("projects/acme/tools", alice);
  await server.put("projects/acme", alice, {
    name: "tools",
    display_name: "Tools",
    repository: `ssh://git@${HOST}:2222/Acme/tools.git`,
    wildcard: "*",
  });
});

async function addTrigger(
  forge: Forge,
  type: "reporter_push" | "reporter_pull_request",
  change: object = {},
): Promise<string> {
  const integrations = (await server.get("orgs/acme/integrations", alice)).message;
  const { id } = integrations.find((each: { name: string }) => each.name === forge);
  const config = { type, integration_id: id, ...change };
  return (await server.post("projects/acme/tools/triggers", alice, { config })).message.id;
}

interface Sending {
  path?: string;
  delivery?: string;
  secret?: string;
  headers?: Record<string, string>;
}

/** Sends a webhook as the forge does. */
function send(forge: Forge, event: string, payload: unknown, how: Sending = {}): Promise<Answer> {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const { secret = SECRET, delivery = `delivery-${(deliveries += 1)}` } = how;
  const signature = hmac(secret, body);
  const headers: Record<Forge, Record<string, string>> = {
    github: {
      "x-github-event": event,
      "x-github-delivery": delivery,
      "x-hub-signature-256": `sha256=${signature}`,
    },
    gitea: {
      "x-gitea-event": event,
      "x-gitea-delivery": delivery,
      "x-gitea-signature": signature,
    },
    forgejo: {
      "x-forgejo-event": event,
      "x-forgejo-delivery": delivery,
      "x-forgejo-signature": signature,
    },
    gitlab: {
      "x-gitlab-event": event,
      "x-gitlab-event-uuid": delivery,
      "x-gitlab-token": secret,
    },
  };
  return server.call("POST", how.path ?? `hooks/${forge}/acme/${forge}`, {
    body,
    headers: { ...headers[forge], ...how.headers },
  });
}

describe("a push", () => {
  test.each([
    ["github", "push", push(HOST)],
    ["gitea", "push", push(HOST)],
    ["forgejo", "push", push(HOST)],
    ["gitlab", "Push Hook", gitlabPush(HOST)],
  ] as const)("of %s starts an evaluation of exactly its commit", async (forge, event, payload) => {
    const id = await addTrigger(forge, "reporter_push");
    const { status, message } = await send(forge, event, payload);
    const { id: projectId } = (await server.get("projects/acme/tools", alice)).message;
    expect(status).toBe(200);
    expect(message).toMatchObject({
      event,
      projects_scanned: 1,
      queued: [{ project_id: projectId, project_name: "tools", organization: "acme" }],
      skipped: [],
      ignored: null,
    });
    expect(server.calls.triggered).toEqual([
      {
        projectId,
        trigger: { id, type: "reporter_push" },
        revision: COMMIT,
        reference: "refs/heads/main",
        pullRequest: null,
      },
    ]);
    const trigger = await server.get(`projects/acme/tools/triggers/${id}`, alice);
    expect(trigger.message.last_fired_at).toMatch(/Z$/);
  });

  test("counts only for branches that the trigger names", async () => {
    await addTrigger("gitea", "reporter_push", { branches: ["main", "release/*"] });
    const other = await send("gitea", "push", push(HOST, "refs/heads/feature"));
    expect(other.message).toMatchObject({ queued: [], skipped: [{ reason: "not_wanted" }] });
    const release = await send("gitea", "push", push(HOST, "refs/heads/release/1.0"));
    expect(release.message.queued).toHaveLength(1);
    const tag = await send("gitea", "push", push(HOST, "refs/tags/v1"));
    expect(tag.message.queued).toEqual([]);
  });

  test("of a tag starts an evaluation of the commit that the tag names", async () => {
    await addTrigger("github", "reporter_push", { tags: ["v*"] });
    await send("github", "push", push(HOST, "refs/tags/v1.0"));
    expect(server.calls.triggered).toMatchObject([
      { revision: COMMIT, reference: "refs/tags/v1.0" },
    ]);
    const branch = await send("github", "push", push(HOST));
    expect(branch.message.queued).toEqual([]);
  });

  test("of another repository starts nothing", async () => {
    await addTrigger("gitea", "reporter_push");
    const { message } = await send("gitea", "push", push(HOST, "refs/heads/main", "acme/other"));
    expect(message).toMatchObject({ projects_scanned: 0, queued: [], skipped: [] });
    const elsewhere = await send("gitea", "push", push("other.example.org"));
    expect(elsewhere.message.projects_scanned).toBe(0);
  });

  test("that removes a branch starts nothing", async () => {
    await addTrigger("gitea", "reporter_push");
    const { status, message } = await send("gitea", "push", removal(HOST));
    expect([status, message.ignored]).toEqual([200, "refs/heads/main was removed"]);
  });

  test("starts nothing for releases only, and a release does", async () => {
    await addTrigger("github", "reporter_push", { releases_only: true });
    expect((await send("github", "push", push(HOST))).message.queued).toEqual([]);
    const { repository } = push(HOST);
    const release = { action: "published", release: { tag_name: "v2" }, repository };
    await send("github", "release", release);
    expect(server.calls.triggered).toMatchObject([{ revision: null, reference: "refs/tags/v2" }]);
  });

  test("of an inactive project or trigger starts nothing", async () => {
    const id = await addTrigger("gitea", "reporter_push");
    await server.delete("projects/acme/tools/active", alice);
    expect((await send("gitea", "push", push(HOST))).message.projects_scanned).toBe(0);
    await server.post("projects/acme/tools/active", alice);
    await server.patch(`projects/acme/tools/triggers/${id}`, alice, { active: false });
    expect((await send("gitea", "push", push(HOST))).message.projects_scanned).toBe(0);
  });
});

describe("a pull request", () => {
  const approvals = () => server.calls.triggered.map(({ pullRequest: of }) => of?.needsApproval);

  test.each([
    ["github", "pull_request", pullRequest(HOST), "refs/pull/7/head"],
    ["gitea", "pull_request", pullRequest(HOST), "refs/pull/7/head"],
    ["forgejo", "pull_request", pullRequest(HOST), "refs/pull/7/head"],
    ["gitlab", "Merge Request Hook", mergeRequest(HOST), "refs/merge-requests/7/head"],
  ] as const)(
    "of a stranger at %s waits for approval",
    async (forge, event, payload, reference) => {
      await addTrigger(forge, "reporter_pull_request");
      await send(forge, event, payload);
      expect(server.calls.triggered).toMatchObject([
        {
          trigger: { type: "reporter_pull_request" },
          revision: COMMIT,
          reference,
          pullRequest: { number: 7, author: "mallory", needsApproval: true },
        },
      ]);
    },
  );

  test.each(["OWNER", "MEMBER", "COLLABORATOR"])("of a GitHub %s does not", async (association) => {
    await addTrigger("github", "reporter_pull_request");
    await send("github", "pull_request", pullRequest(HOST, { association }));
    expect(approvals()).toEqual([false]);
  });

  test.each(["CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "NONE"])(
    "of a GitHub %s does",
    async (association) => {
      await addTrigger("github", "reporter_pull_request");
      await send("github", "pull_request", pullRequest(HOST, { association }));
      expect(approvals()).toEqual([true]);
    },
  );

  test("from the repository itself does not wait, as its author may push there anyway", async () => {
    for (const forge of ["github", "gitea", "forgejo", "gitlab"] satisfies Forge[]) {
      await addTrigger(forge, "reporter_pull_request");
    }
    await send("github", "pull_request", pullRequest(HOST, { from: 1 }));
    await send("gitea", "pull_request", pullRequest(HOST, { from: 1 }));
    await send("forgejo", "pull_request", pullRequest(HOST, { from: 1 }));
    await send("gitlab", "Merge Request Hook", mergeRequest(HOST, { from: 1 }));
    expect(approvals()).toEqual([false, false, false, false]);
  });

  test("whose repository is gone counts as a stranger's", async () => {
    await addTrigger("github", "reporter_pull_request");
    await send("github", "pull_request", pullRequest(HOST, { from: null }));
    expect(approvals()).toEqual([true]);
  });

  test("never waits where the trigger says so", async () => {
    await addTrigger("gitea", "reporter_pull_request", { require_approval: false });
    await send("gitea", "pull_request", pullRequest(HOST));
    expect(approvals()).toEqual([false]);
  });

  test("starts something when it is opened, brings commits or is reopened, and else not", async () => {
    await addTrigger("gitea", "reporter_pull_request");
    await addTrigger("gitlab", "reporter_pull_request");
    for (const action of ["opened", "synchronized", "reopened", "labeled", "edited"]) {
      await send("gitea", "pull_request", pullRequest(HOST, { action }));
    }
    expect(server.calls.triggered).toHaveLength(3);
    const mr = (change: object) => send("gitlab", "Merge Request Hook", mergeRequest(HOST, change));
    expect((await mr({ action: "update" })).message.ignored).toContain("without new commits");
    await mr({ action: "update", oldrev: "b".repeat(40) });
    await mr({ action: "approved" });
    expect(server.calls.triggered).toHaveLength(4);
  });

  test("counts only for actions and branches that the trigger names", async () => {
    const only = { actions: ["opened"], branches: ["main"] };
    await addTrigger("github", "reporter_pull_request", only);
    await send("github", "pull_request", pullRequest(HOST, { action: "synchronize" }));
    await send("github", "pull_request", pullRequest(HOST, { into: "next" }));
    expect(server.calls.triggered).toEqual([]);
    await send("github", "pull_request", pullRequest(HOST));
    expect(server.calls.triggered).toHaveLength(1);
  });

  test("that is closed ends what runs of it", async () => {
    await addTrigger("gitea", "reporter_pull_request");
    const { message } = await send(
      "gitea",
      "pull_request",
      pullRequest(HOST, { action: "closed" }),
    );
    expect(message.skipped).toMatchObject([{ reason: "closed" }]);
    expect(server.calls.closedPullRequests).toMatchObject([{ pullRequest: 7 }]);
  });

  test("starts nothing for a trigger of pushes, and a push nothing for one of pull requests", async () => {
    await addTrigger("gitea", "reporter_push");
    await send("gitea", "pull_request", pullRequest(HOST));
    await addTrigger("github", "reporter_pull_request");
    await send("github", "push", push(HOST));
    expect(server.calls.triggered).toEqual([]);
  });
});

describe("a webhook", () => {
  test("is refused without the right signature, and no more is told", async () => {
    await addTrigger("gitea", "reporter_push");
    const wrong = await send("gitea", "push", push(HOST), { secret: "guess" });
    const nowhere = await send("gitea", "push", push(HOST), { path: "hooks/gitea/acme/nothing" });
    const noOrg = await send("gitea", "push", push(HOST), { path: "hooks/gitea/nobody/gitea" });
    const otherForge = await send("gitea", "push", push(HOST), {
      path: "hooks/forgejo/acme/gitea",
    });
    const unsigned = await server.call("POST", "hooks/gitea/acme/gitea", { body: push(HOST) });
    for (const answer of [wrong, nowhere, noOrg, otherForge, unsigned]) {
      expect(answer.status).toBe(401);
      expect(answer.message).toBe(wrong.message);
    }
    expect((await send("gitlab", "Push Hook", gitlabPush(HOST), { secret: "x" })).status).toBe(401);
    expect(server.calls.triggered).toEqual([]);
  });

  test("is signed over the bytes that came, not over what they mean", async () => {
    await addTrigger("gitea", "reporter_push");
    const body = `  ${JSON.stringify(push(HOST), null, 3)}\n`;
    expect((await send("gitea", "push", body)).message.queued).toHaveLength(1);
    const headers = { "x-gitea-signature": hmac(SECRET, JSON.stringify(push(HOST))) };
    expect((await send("gitea", "push", body, { headers })).status).toBe(401);
  });

  test("of an integration without a secret is refused, whatever it shows", async () => {
    const integrations = (await server.get("orgs/acme/integrations", alice)).message;
    const { id } = integrations.find((each: { name: string }) => each.name === "gitlab");
    await server.patch(`orgs/acme/integrations/${id}`, alice, { secret: "" });
    for (const secret of ["", SECRET]) {
      const answer = await send("gitlab", "Push Hook", gitlabPush(HOST), { secret });
      expect(answer.status).toBe(401);
    }
    await server.patch(`orgs/acme/integrations/${id}`, alice, { secret: SECRET });
  });

  test("that comes again is answered and changes nothing", async () => {
    await addTrigger("github", "reporter_push");
    const delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    const first = await send("github", "push", push(HOST), { delivery });
    const again = await send("github", "push", push(HOST), { delivery });
    expect(first.message.queued).toHaveLength(1);
    expect([again.status, again.message.ignored]).toEqual([200, "this delivery was taken before"]);
    expect(server.calls.triggered).toHaveLength(1);
  });

  test("that came to nothing because of us may come again", async () => {
    await addTrigger("github", "reporter_push");
    const { evaluations } = server.services;
    const { startTriggered } = evaluations;
    evaluations.startTriggered = () => Promise.reject(new Error("the disk is full"));
    const delivery = "again";
    expect((await send("github", "push", push(HOST), { delivery })).status).toBe(500);
    evaluations.startTriggered = startTriggered;
    const again = await send("github", "push", push(HOST), { delivery });
    expect(again.message.queued).toHaveLength(1);
  });

  test.each([
    ["github", "ping", { zen: "Keep it logically awesome." }],
    ["github", "issues", { action: "opened" }],
    ["github", "", {}],
    ["gitea", "issue_comment", {}],
    ["gitlab", "Pipeline Hook", {}],
  ] as const)(
    "of %s with event %j is answered with what is ignored",
    async (forge, event, body) => {
      const { status, message } = await send(forge, event, body);
      expect(status).toBe(200);
      expect(message).toMatchObject({ event, queued: [], ignored: expect.any(String) });
    },
  );

  test.each([
    ["{", "json_parsing"],
    ["{}", "bad_request"],
    [JSON.stringify({ ...push(HOST), after: "main" }), "bad_request"],
    [JSON.stringify({ ...push(HOST), ref: 7 }), "bad_request"],
  ])("that is no such event is refused: %s", async (body, code) => {
    const answer = await send("gitea", "push", body);
    expect([answer.status, answer.json?.code]).toEqual([400, code]);
  });

  test("that is too long is not read", async () => {
    const body = JSON.stringify({ ...push(HOST), filler: "x".repeat(6 * 1024 * 1024) });
    expect((await send("gitea", "push", body)).status).toBe(413);
  });

  test("of an unknown forge or without a body is refused", async () => {
    expect((await server.post("hooks/sourcehut/acme/x", undefined, {})).status).toBe(400);
    expect((await server.post("hooks/gitea/acme/gitea")).status).toBe(400);
  });
});

describe("GitHub's address without a name", () => {
  const path = "hooks/github";

  test("finds the integrations whose repository and secret it is", async () => {
    await server.patch("projects/acme/tools", alice, { repository: `git@${HOST}:acme/tools` });
    const id = await addTrigger("github", "reporter_push");
    const { status, message } = await send("github", "push", push(HOST), { path });
    expect([status, message.queued.length]).toEqual([200, 1]);
    expect(server.calls.triggered).toMatchObject([{ trigger: { id } }]);
  });

  test("refuses what no integration has signed, or nobody waits for", async () => {
    await server.patch("projects/acme/tools", alice, { repository: `git@${HOST}:acme/tools` });
    await addTrigger("github", "reporter_push");
    const wrong = await send("github", "push", push(HOST), { path, secret: "guess" });
    const other = await send("github", "push", push("elsewhere.example.org"), { path });
    const malformed = await send("github", "push", "{", { path });
    expect([wrong.status, other.status, malformed.status]).toEqual([401, 401, 401]);
    expect(server.calls.triggered).toEqual([]);
  });
});
