import type { TriggeredStart } from "../../ports.ts";
import type { ShownTriggerConfig } from "../../triggers/trigger-config.ts";
import type { HookEvent } from "./event.ts";
import { fitsAny } from "./glob.ts";

/** What a trigger starts for an event: the part of the start that the event decides; null when it is none of the trigger's. */
export type WantedStart = Pick<TriggeredStart, "revision" | "reference" | "pullRequest">;

/** null also for triggers that no forge tells. A stranger's pull request needs approval, unless the trigger says otherwise. */
export function wantedStart(config: ShownTriggerConfig, event: HookEvent): WantedStart | null {
  if (config.type === "reporter_push") return wantedOfPush(config, event);
  if (config.type === "reporter_pull_request") return wantedOfPullRequest(config, event);
  return null;
}

/** Without patterns every branch and no tag counts; with patterns only what fits one of them. */
function wantedOfPush(
  config: Extract<ShownTriggerConfig, { type: "reporter_push" }>,
  event: HookEvent,
): WantedStart | null {
  const branches = config.branches ?? [];
  const tags = config.tags ?? [];
  const isTagWanted = (tag: string): boolean => tags.length === 0 || fitsAny(tags, tag);
  if (config.releases_only === true) {
    if (event.kind !== "release" || !isTagWanted(event.tag)) return null;
    return { revision: null, reference: `refs/tags/${event.tag}`, pullRequest: null };
  }
  if (event.kind !== "push") return null;
  const { reference, revision } = event;
  const [, kind, name = ""] = /^refs\/(heads|tags)\/(.*)$/s.exec(reference) ?? [];
  const isWanted =
    kind === "tags"
      ? tags.length > 0 && fitsAny(tags, name)
      : branches.length > 0
        ? fitsAny(branches, name)
        : tags.length === 0;
  return isWanted ? { revision, reference, pullRequest: null } : null;
}

function wantedOfPullRequest(
  config: Extract<ShownTriggerConfig, { type: "reporter_pull_request" }>,
  event: HookEvent,
): WantedStart | null {
  if (event.kind !== "pull_request" || event.action === "closed") return null;
  const branches = config.branches ?? [];
  const actions = config.actions ?? [];
  if (branches.length > 0 && !fitsAny(branches, event.targetBranch)) return null;
  if (actions.length > 0 && !actions.includes(event.action)) return null;
  const { number, author, revision, reference, isTrusted } = event;
  const needsApproval = !isTrusted && config.require_approval !== false;
  return { revision, reference, pullRequest: { number, author, needsApproval } };
}
