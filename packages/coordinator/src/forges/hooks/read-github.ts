import { z } from "zod";
import { ignored, isNoCommit, pushEvent, type HookEvent } from "./event.ts";

/*
 * Payloads of GitHub ("Webhook events and payloads" in its documentation), and of Gitea and Forgejo, which have the same form. Only what is
 * read stands here.
 */

const commit = z.string().regex(/^[0-9a-f]{40}$/);
const address = z.string().max(2000);

const repository = z.object({
  id: z.int(),
  clone_url: address,
  ssh_url: address.nullish(),
  html_url: address.nullish(),
});

const push = z.object({
  ref: z.string().max(500),
  after: commit,
  /** Of an annotated tag `after` is the tag. */
  head_commit: z.object({ id: commit }).nullish(),
  repository,
});

const side = z.object({ repo: z.object({ id: z.int() }).nullish() });

const pullRequest = z.object({
  action: z.string(),
  number: z.int().positive(),
  pull_request: z.object({
    user: z.object({ login: z.string().max(200) }),
    /** GitHub alone says it. */
    author_association: z.string().nullish(),
    head: side.extend({ sha: commit }),
    base: side.extend({ ref: z.string().max(500) }),
  }),
  repository,
});

const release = z.object({
  action: z.string(),
  release: z.object({ tag_name: z.string().max(250) }),
  repository,
});

/** Gitea's words beside GitHub's. */
const ACTIONS = {
  opened: "opened",
  reopened: "reopened",
  synchronize: "synchronize",
  synchronized: "synchronize",
  closed: "closed",
} as const;

/** People who may push anyway. A contributor had something merged once, which is no such thing. */
const MEMBERS = new Set(["OWNER", "MEMBER", "COLLABORATOR"]);

/** Throws ZodError for a payload that is not of the event's form. */
export function readGitHub(event: string, payload: unknown): HookEvent {
  switch (event) {
    case "ping":
      return ignored("a ping");
    case "push": {
      const { ref, after, head_commit, repository: of } = push.parse(payload);
      const isTag = ref.startsWith("refs/tags/");
      const revision = isTag && !isNoCommit(after) ? (head_commit?.id ?? after) : after;
      return pushEvent({ repositories: addressesOf(of), reference: ref, revision });
    }
    case "release": {
      const { action, release: about, repository: of } = release.parse(payload);
      if (action !== "published") return ignored(`release ${action}`);
      return { kind: "release", repositories: addressesOf(of), tag: about.tag_name };
    }
    case "pull_request":
    case "pull_request_sync":
      return readPullRequest(pullRequest.parse(payload));
    default:
      return ignored(`event ${JSON.stringify(event.slice(0, 100))} starts nothing`);
  }
}

function readPullRequest(payload: z.infer<typeof pullRequest>): HookEvent {
  const { number, pull_request: pull, repository: of } = payload;
  const action = Object.hasOwn(ACTIONS, payload.action)
    ? ACTIONS[payload.action as keyof typeof ACTIONS]
    : null;
  if (action === null)
    return ignored(`pull request ${JSON.stringify(payload.action.slice(0, 50))}`);
  const { head, base } = pull;
  const isOwn = typeof head.repo?.id === "number" && head.repo.id === (base.repo?.id ?? of.id);
  return {
    kind: "pull_request",
    repositories: addressesOf(of),
    action,
    number,
    revision: head.sha,
    reference: `refs/pull/${number}/head`,
    targetBranch: base.ref,
    author: pull.user.login,
    isTrusted: isOwn || MEMBERS.has(pull.author_association ?? ""),
  };
}

function addressesOf(of: z.infer<typeof repository>): string[] {
  return [of.clone_url, of.ssh_url, of.html_url].filter((each) => typeof each === "string");
}
