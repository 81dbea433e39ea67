/** What went wrong, to somebody who sits in front of a page. */
export interface FailureView {
  readonly kind: "failure";
  readonly title: string;
  readonly message: string;
}
