import { z } from "zod";
import { ignored, isNoCommit, pushEvent, type HookEvent } from "./event.ts";

/* Payloads of GitLab ("Webhook events" in its documentation). Only what is read stands here. */

const commit = z.string().regex(/^[0-9a-f]{40}$/);
const address = z.string().max(2000);

const project = z.object({
  git_http_url: address,
  git_ssh_url: address.nullish(),
  web_url: address.nullish(),
});

const push = z.object({
  ref: z.string().max(500),
  after: commit,
  /** The commit, also of an annotated tag; null when the branch or tag was removed. */
  checkout_sha: commit.nullish(),
  project,
});

const mergeRequest = z.object({
  user: z.object({ username: z.string().max(200) }),
  project,
  object_attributes: z.object({
    iid: z.int().positive(),
    action: z.string().nullish(),
    /** Set when an update brought commits. */
    oldrev: z.string().nullish(),
    source_project_id: z.int().nullish(),
    target_project_id: z.int(),
    target_branch: z.string().max(500),
    last_commit: z.object({ id: commit }),
  }),
});

const release = z.object({ action: z.string(), tag: z.string().max(250), project });

const ACTIONS = {
  open: "opened",
  reopen: "reopened",
  update: "synchronize",
  close: "closed",
  merge: "closed",
} as const;

/** Throws ZodError for a payload that is not of the event's form. */
export function readGitLab(event: string, payload: unknown): HookEvent {
  switch (event) {
    case "Push Hook":
    case "Tag Push Hook": {
      const { ref, after, checkout_sha, project: of } = push.parse(payload);
      const revision = isNoCommit(after) ? after : (checkout_sha ?? after);
      return pushEvent({ repositories: addressesOf(of), reference: ref, revision });
    }
    case "Release Hook": {
      const { action, tag, project: of } = release.parse(payload);
      if (action !== "create") return ignored(`release ${action}`);
      return { kind: "release", repositories: addressesOf(of), tag };
    }
    case "Merge Request Hook":
      return readMergeRequest(mergeRequest.parse(payload));
    default:
      return ignored(`event ${JSON.stringify(event.slice(0, 100))} starts nothing`);
  }
}

function readMergeRequest(payload: z.infer<typeof mergeRequest>): HookEvent {
  const { object_attributes: about, user, project: of } = payload;
  const told = about.action ?? "";
  const action = Object.hasOwn(ACTIONS, told) ? ACTIONS[told as keyof typeof ACTIONS] : null;
  if (action === null) return ignored(`merge request ${JSON.stringify(told.slice(0, 50))}`);
  if (action === "synchronize" && typeof about.oldrev !== "string") {
    return ignored("merge request without new commits");
  }
  return {
    kind: "pull_request",
    repositories: addressesOf(of),
    action,
    number: about.iid,
    revision: about.last_commit.id,
    reference: `refs/merge-requests/${about.iid}/head`,
    targetBranch: about.target_branch,
    author: user.username,
    isTrusted: about.source_project_id === about.target_project_id,
  };
}

function addressesOf(of: z.infer<typeof project>): string[] {
  return [of.git_http_url, of.git_ssh_url, of.web_url].filter((each) => typeof each === "string");
}
