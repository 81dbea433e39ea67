import { placeOf } from "../forges/repository-place.ts";
import type { Tags } from "../rules/tags.ts";

/** What is known of an evaluation that a trigger started. */
interface Triggered {
  readonly id: string;
  readonly repository: string;
  /** Full reference; null is the remote's HEAD. */
  readonly reference: string | null;
  readonly revision: string | null;
  readonly pullRequest: { readonly number: number } | null;
}

/** Tags of the attempts that such an evaluation brings about: `REPOSITORY`, `RUN`, `BRANCH` or `REF`, `COMMIT`, `PULL_REQUEST`. */
export function triggerTags(evaluation: Triggered): Tags {
  const { id, repository, reference, revision, pullRequest } = evaluation;
  const branch = /^refs\/heads\/(.+)$/.exec(reference ?? "")?.[1];
  return {
    REPOSITORY: placeOf(repository)?.path ?? repository,
    RUN: id,
    ...(branch === undefined ? {} : { BRANCH: branch }),
    ...(branch === undefined && reference !== null ? { REF: reference } : {}),
    ...(revision === null ? {} : { COMMIT: revision }),
    ...(pullRequest === null ? {} : { PULL_REQUEST: String(pullRequest.number) }),
  };
}
