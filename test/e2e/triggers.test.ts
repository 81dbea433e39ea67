import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, type EvaluationView } from "../support/api-client.ts";
import { TestFarm } from "../support/farm.ts";

const SECRET = "hush-hush";

interface StartedView extends EvaluationView {
  trigger: { type: string } | null;
  pr_number: number | null;
  waiting_reason?: { kind: string };
}

/** What starts evaluations by itself, with a real repository and a real worker that looks at it. */
describe("triggers", () => {
  let farm: TestFarm;
  let project: string;
  let directory: string;
  let integration: string;

  beforeAll(async () => {
    farm = await TestFarm.start();
    await farm.addWorker("alpha");
    project = await farm.addFilesProject("told", "*", { "default.nix": "{ }\n" });
    directory = join(farm.directory, "git", project);
    const { id } = await farm.api.call<{ id: string }>("PUT", "/orgs/acme/integrations", {
      name: "git",
      kind: "inbound",
      forge_type: "gitea",
      secret: SECRET,
    });
    integration = id;
  }, 60_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  /** Commits something new where HEAD is, and gives the commit's hash. */
  async function commit(text: string): Promise<string> {
    await writeFile(join(directory, "default.nix"), `{ } // { }\n# ${text}\n`);
    const identity = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"];
    await execa("git", ["-C", directory, ...identity, "commit", "-qam", text]);
    return head();
  }

  async function head(): Promise<string> {
    return (await execa("git", ["-C", directory, "rev-parse", "HEAD"])).stdout;
  }

  async function evaluationOf(revision: string): Promise<StartedView> {
    const path = `/projects/acme/${project}/details`;
    const id = await eventually(`an evaluation of ${revision}`, 45_000, async () => {
      const { last_evaluations: last } = await farm.api.call<{
        last_evaluations: { id: string; commit: string }[];
      }>("GET", path);
      return last.find((each) => each.commit === revision)?.id ?? null;
    });
    return farm.api.call<StartedView>("GET", `/evals/${id}`);
  }

  async function send(event: string, payload: object): Promise<void> {
    const body = JSON.stringify(payload);
    const signature = createHmac("sha256", SECRET).update(body).digest("hex");
    const path = "/hooks/gitea/acme/git";
    const answer = await request(`${farm.url}/api/v1${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-gitea-event": event,
        "x-gitea-signature": signature,
      },
      body,
    });
    const text = await answer.body.text();
    await farm.api.answers.check("POST", path, answer, text);
    expect([answer.statusCode, text]).toEqual([200, expect.stringContaining('"queued":[{')]);
  }

  function repository() {
    return { id: 1, clone_url: farm.git.url(project), ssh_url: null, html_url: null };
  }

  test("a repository that is polled is evaluated when it has a new commit", async () => {
    const path = `/projects/acme/${project}/triggers`;
    const [trigger] = await farm.api.call<{ id: string }[]>("GET", path);
    const config = { type: "polling", interval_secs: 10, branch: "main" };
    await farm.api.call("PATCH", `${path}/${trigger?.id}`, { config });
    const first = await evaluationOf(await head());
    expect(first.trigger?.type).toBe("polling");
    expect((await farm.ended(first.id, 60_000)).status).toBe("Completed");
    await farm.api.call("PATCH", `${path}/${trigger?.id}`, { active: false });
  });

  test("a push that a forge tells of is evaluated at its commit", async () => {
    await farm.api.call("POST", `/projects/acme/${project}/triggers`, {
      config: { type: "reporter_push", integration_id: integration },
    });
    const pushed = await commit("Pushed");
    await commit("Pushed later, and not told");
    await send("push", { ref: "refs/heads/main", after: pushed, repository: repository() });
    const view = await evaluationOf(pushed);
    expect(view.trigger?.type).toBe("reporter_push");
    expect((await farm.ended(view.id, 60_000)).status).toBe("Completed");
  });

  test("a stranger's pull request is fetched and evaluated once it was allowed", async () => {
    await farm.api.call("POST", `/projects/acme/${project}/triggers`, {
      config: { type: "reporter_pull_request", integration_id: integration },
    });
    await execa("git", ["-C", directory, "checkout", "-q", "--detach"]);
    const revision = await commit("From a stranger");
    // As forges keep them: no branch has the commit.
    await execa("git", ["-C", directory, "update-ref", "refs/pull/7/head", revision]);
    await execa("git", ["-C", directory, "checkout", "-q", "main"]);
    const side = (id: number) => ({ repo: { id } });
    await send("pull_request", {
      action: "opened",
      number: 7,
      pull_request: {
        user: { login: "mallory" },
        head: { sha: revision, ...side(2) },
        base: { ref: "main", ...side(1) },
      },
      repository: repository(),
    });
    const waiting = await evaluationOf(revision);
    expect(waiting).toMatchObject({
      status: "Waiting",
      pr_number: 7,
      waiting_reason: { kind: "approval" },
    });
    await farm.api.call("POST", `/evals/${waiting.id}`, { method: "approve" });
    const view = await farm.ended(waiting.id, 60_000);
    expect(view.status, farm.logs()).toBe("Completed");
    expect(view.commit).toBe(revision);
  });
});
