/** What is different from the evaluation before. Lists are cut; the counts are not. */
export interface DifferenceView {
  /** Number of the evaluation before. */
  readonly previous: number;
  readonly groups: readonly DifferenceGroup[];
}

export interface DifferenceGroup {
  /** New here, fixed here, broken here, not here any more. */
  readonly what: "new" | "fixed" | "broken" | "gone";
  readonly count: number;
  readonly jobs: readonly { readonly job: string; readonly build: number }[];
}
