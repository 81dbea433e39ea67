import { z } from "zod";
import { buildWords } from "../../../../scheduler/api-words.ts";
import { BUILD_STATES } from "../../../../scheduler/build-state.ts";

const buildState = z.enum(BUILD_STATES);

export const buildStatus = buildState.exclude(["Created"]);
export type BuildStatus = z.infer<typeof buildStatus>;

/** The status that the API shows for a build's state. What this release wrote always fits; anything else is a damaged database. */
export function readBuildStatus(state: string): BuildStatus {
  return buildWords(buildState.parse(state), null).gradient;
}
