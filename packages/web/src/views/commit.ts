export interface CommitView {
  /** 40 hexadecimal digits. */
  readonly hash: string;
  /** First line of its message; empty while it is not known. */
  readonly subject: string;
  /** Where a forge shows it; null for repositories elsewhere. */
  readonly url: string | null;
}
