import { CUIRASS_STATUS_WORDS } from "../scheduler/api-words.ts";
import type { SearchFilter } from "../db/cuirass-build-places.ts";

/** A search as people write it. */
export interface SearchQuery extends Pick<SearchFilter, "name" | "system" | "statuses"> {
  /** Name of a jobset. */
  readonly spec?: string;
}

/** A beginning of a derivation's name, and `system:`, `spec:` and `status:` words; of several of one kind the last counts. A status that is not known finds nothing. */
export function readSearch(text: string): SearchQuery {
  const words = text.split(/\s+/).filter(Boolean);
  const valueOf = (key: string): string | undefined =>
    words.findLast((word) => word.startsWith(`${key}:`))?.slice(key.length + 1);
  const [system, spec, status] = [valueOf("system"), valueOf("spec"), valueOf("status")];
  const name = words.find((word) => !/^(?:system|spec|status):/.test(word)) ?? "";
  return {
    name,
    ...(system === undefined ? {} : { system }),
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { statuses: [CUIRASS_STATUS_WORDS[status] ?? NO_STATUS] }),
  };
}

/** No build has it. */
const NO_STATUS = 99;
