/** URLs of what every page loads. */
export interface Assets {
  readonly style: string;
  readonly script: string;
  readonly icon: string;
}

/** What a page stands in, whatever it shows. */
export interface Frame {
  /** Milliseconds since the epoch; ages are counted from it. */
  readonly now: number;
  /** Of the coordinator. */
  readonly version: string;
  /** Name of who is signed in by a cookie; null for everybody else. */
  readonly user: string | null;
  /** Came in the address, and is carried along by links to further pages; null when there was none. */
  readonly token: string | null;
  /** Path and query of this page without the token. */
  readonly path: string;
  readonly assets: Assets;
}
