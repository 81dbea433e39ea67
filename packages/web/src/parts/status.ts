/** States of builds and evaluations as pages tell them. */

export type BuildStatus =
  | "submitted"
  | "scheduled"
  | "started"
  | "succeeded"
  | "failed"
  | "failed-dependency"
  | "failed-other"
  | "canceled";

/** A mark that can be told apart without its colour, and the words. */
interface StatusLook {
  readonly mark: string;
  readonly text: string;
}

export const BUILD_STATUSES: Readonly<Record<BuildStatus, StatusLook>> = {
  submitted: { mark: "○", text: "Submitted" },
  scheduled: { mark: "○", text: "Scheduled" },
  started: { mark: "◐", text: "Running" },
  succeeded: { mark: "✓", text: "Succeeded" },
  failed: { mark: "✗", text: "Failed" },
  "failed-dependency": { mark: "⇡", text: "Failed (dependency)" },
  "failed-other": { mark: "!", text: "Failed (other)" },
  canceled: { mark: "–", text: "Canceled" },
};

const NUMBERS: Readonly<Record<number, BuildStatus>> = {
  [-3]: "submitted",
  [-2]: "scheduled",
  [-1]: "started",
  0: "succeeded",
  1: "failed",
  2: "failed-dependency",
  3: "failed-other",
  4: "canceled",
};

/** The status behind a number of Cuirass's API. */
export function buildStatusOf(number: number): BuildStatus {
  return NUMBERS[number] ?? "scheduled";
}

export type Weather =
  | "unknown"
  | "new-success"
  | "new-failure"
  | "still-succeeding"
  | "still-failing";

export const WEATHER_TEXTS: Readonly<Record<Weather, string>> = {
  unknown: "no earlier build to compare with",
  "new-success": "fixed: the build before failed",
  "new-failure": "broken: the build before succeeded",
  "still-succeeding": "as the build before",
  "still-failing": "failing, as the build before",
};

export type EvaluationState =
  | "queued"
  | "fetching"
  | "evaluating"
  | "building"
  | "waiting"
  | "completed"
  | "failed"
  | "aborted";

export const EVALUATION_STATES: Readonly<Record<EvaluationState, StatusLook>> = {
  queued: { mark: "○", text: "Queued" },
  fetching: { mark: "◐", text: "Fetching" },
  evaluating: { mark: "◐", text: "Evaluating" },
  building: { mark: "◐", text: "Building" },
  waiting: { mark: "…", text: "Waiting" },
  completed: { mark: "✓", text: "Completed" },
  failed: { mark: "✗", text: "Failed" },
  aborted: { mark: "–", text: "Aborted" },
};
