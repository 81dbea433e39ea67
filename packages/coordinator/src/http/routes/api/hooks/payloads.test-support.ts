import { createHmac } from "node:crypto";

/* Webhooks as the forges document them, with the fields that are read and no others. */

export const COMMIT = "a".repeat(40);
const TAG_OBJECT = "e".repeat(40);
const NO_COMMIT = "0".repeat(40);

/** GitHub's form, which Gitea and Forgejo have, too. */
function repositoryOf(host: string, path = "acme/tools") {
  return {
    id: 1,
    clone_url: `https://${host}/${path}.git`,
    ssh_url: `git@${host}:${path}.git`,
    html_url: `https://${host}/${path}`,
  };
}

export function push(host: string, reference = "refs/heads/main", path?: string) {
  return {
    ref: reference,
    after: reference.startsWith("refs/tags/") ? TAG_OBJECT : COMMIT,
    head_commit: { id: COMMIT },
    repository: repositoryOf(host, path),
  };
}

export function removal(host: string) {
  return {
    ref: "refs/heads/main",
    after: NO_COMMIT,
    head_commit: null,
    repository: repositoryOf(host),
  };
}

export interface PullRequestChange {
  action?: string;
  /** The repository that it comes from; null is one that is gone. */
  from?: number | null;
  association?: string;
  revision?: string;
  into?: string;
}

export function pullRequest(host: string, change: PullRequestChange = {}) {
  const { action = "opened", from = 2, association, revision = COMMIT, into = "main" } = change;
  return {
    action,
    number: 7,
    pull_request: {
      user: { login: "mallory" },
      ...(association === undefined ? {} : { author_association: association }),
      head: { sha: revision, repo: from === null ? null : { id: from } },
      base: { ref: into, repo: { id: 1 } },
    },
    repository: repositoryOf(host),
  };
}

function gitlabProject(host: string) {
  return {
    git_http_url: `https://${host}/acme/tools.git`,
    git_ssh_url: `git@${host}:acme/tools.git`,
    web_url: `https://${host}/acme/tools`,
  };
}

export function gitlabPush(host: string, reference = "refs/heads/main") {
  return {
    object_kind: "push",
    ref: reference,
    after: reference.startsWith("refs/tags/") ? TAG_OBJECT : COMMIT,
    checkout_sha: COMMIT,
    project: gitlabProject(host),
  };
}

export function mergeRequest(
  host: string,
  change: { action?: string; oldrev?: string; from?: number } = {},
) {
  return {
    object_kind: "merge_request",
    user: { username: "mallory" },
    project: gitlabProject(host),
    object_attributes: {
      iid: 7,
      action: change.action ?? "open",
      ...(change.oldrev === undefined ? {} : { oldrev: change.oldrev }),
      source_project_id: change.from ?? 2,
      target_project_id: 1,
      target_branch: "main",
      last_commit: { id: COMMIT },
    },
  };
}

export function hmac(secret: string, body: string): string {
  return createHmac("sha256", secret).update(body).digest("hex");
}
