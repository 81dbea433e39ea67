/** Jobs of an evaluation by what has become of them. `newlyFailed` are among `failed`. */
export interface Counts {
  readonly succeeded: number;
  readonly failed: number;
  readonly newlyFailed: number;
  readonly running: number;
  readonly scheduled: number;
  readonly canceled: number;
}
