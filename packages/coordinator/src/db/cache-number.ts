import { sql } from "kysely";

/** SQL for the number of the cache, looked up once for each statement. */
export function numberOf(cacheId: string) {
  return sql<number>`(select number from caches where id = ${cacheId})`;
}
