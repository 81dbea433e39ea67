import type { BuildRow } from "./build-row.ts";
import type { Pages } from "./pages.ts";

/** Builds that a question finds. */
export interface SearchView {
  readonly kind: "search";
  /** Empty when nothing was asked. */
  readonly query: string;
  readonly builds: readonly BuildRow[];
  readonly pages: Pages;
}
