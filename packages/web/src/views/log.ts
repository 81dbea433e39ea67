import type { BuildStatus } from "../parts/status.ts";

/** The log of a build's newest attempt. */
export interface LogView {
  readonly kind: "log";
  readonly number: number;
  readonly evaluation: number;
  readonly jobset: string;
  readonly title: string;
  readonly status: BuildStatus;
  readonly text: string;
  /** What is left out before the text, because there is so much. */
  readonly skippedBytes: number;
  /** Address of what is appended from here on; null when nothing comes any more. */
  readonly follow: string | null;
}
