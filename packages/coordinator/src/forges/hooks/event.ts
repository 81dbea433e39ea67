import type { PullRequestAction } from "../../triggers/trigger-config.ts";

/** What a forge tells, in one form for all of them. */
export type HookEvent =
  | {
      readonly kind: "push";
      /** Addresses of the repository. */
      readonly repositories: readonly string[];
      /** `refs/heads/...` or `refs/tags/...`. */
      readonly reference: string;
      readonly revision: string;
    }
  | {
      readonly kind: "release";
      readonly repositories: readonly string[];
      readonly tag: string;
    }
  | {
      readonly kind: "pull_request";
      readonly repositories: readonly string[];
      readonly action: PullRequestAction | "closed";
      readonly number: number;
      readonly revision: string;
      /** Where the forge keeps its newest commit, in the repository that it is made to. */
      readonly reference: string;
      readonly targetBranch: string;
      readonly author: string;
      /** It comes from the repository itself, or from somebody whom the forge calls a member: who could push can also run. */
      readonly isTrusted: boolean;
    }
  | {
      readonly kind: "ignored";
      readonly reason: string;
    };

/** Forges write zeros in the place of a commit for a branch or tag that was removed. */
export function isNoCommit(hash: string): boolean {
  return /^0+$/.test(hash);
}

/** A push of commits to a branch or tag; ignored when it was removed, and for other references, which forges keep for themselves. */
export function pushEvent(push: {
  repositories: readonly string[];
  reference: string;
  revision: string | null | undefined;
}): HookEvent {
  const { reference, revision } = push;
  if (!/^refs\/(heads|tags)\//.test(reference)) return ignored(`${reference} is no branch or tag`);
  if (typeof revision !== "string" || isNoCommit(revision)) {
    return ignored(`${reference} was removed`);
  }
  return { kind: "push", ...push, revision };
}

/** What starts nothing: the reason is what the forge shows as the answer of its delivery. */
export function ignored(reason: string): HookEvent {
  return { kind: "ignored", reason };
}
