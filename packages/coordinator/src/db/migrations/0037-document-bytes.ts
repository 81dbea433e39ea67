import { sql, type Kysely } from "kysely";

/** What uploaders leave beside paths is counted, as it takes space, too; and what all of it comes to is said in one place. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

/** In both tables: of one cache, and of all. */
function added(cacheId: string, bytes: string): string {
  return `update cache_totals set document_bytes = document_bytes + ${bytes} where cache_id = ${cacheId};
    update nar_totals set document_bytes = document_bytes + ${bytes} where id = 1;`;
}

const STATEMENTS = [
  "alter table cache_totals add column document_bytes integer not null default 0",
  "alter table nar_totals add column document_bytes integer not null default 0",
  `insert into cache_totals (cache_id, paths, nar_bytes, file_bytes, document_bytes)
  select cache_id, 0, 0, 0, sum(length(body)) from cache_documents where true group by cache_id
  on conflict (cache_id) do update set document_bytes = excluded.document_bytes`,
  `update nar_totals
  set document_bytes = (select coalesce(sum(document_bytes), 0) from cache_totals) where id = 1`,
  `alter table cache_totals add column stored_bytes integer
  generated always as (file_bytes + waiting_bytes + document_bytes) virtual`,
  `alter table nar_totals add column stored_bytes integer
  generated always as (file_bytes + document_bytes) virtual`,
  `create trigger cache_documents_insert after insert on cache_documents begin
    insert or ignore into cache_totals (cache_id, paths, nar_bytes, file_bytes) values (new.cache_id, 0, 0, 0);
    ${added("new.cache_id", "length(new.body)")}
  end`,
  `create trigger cache_documents_update after update of body on cache_documents begin
    ${added("new.cache_id", "length(new.body) - length(old.body)")}
  end`,
  `create trigger cache_documents_delete after delete on cache_documents begin
    ${added("old.cache_id", "-length(old.body)")}
  end`,
  // Who looks for old ones reads no bodies.
  "create index cache_documents_by_age on cache_documents (cache_id, created_at, name)",
];
