import { sql, type Kysely } from "kysely";

/**
 * An evaluation's builds in the order in which lists show them, so that a page of many thousands is read without a sort, and counted without a
 * look at each build: what runs first, then what waits, what failed, what was given up, what is done; then by name. Triggers keep the copies
 * in the transaction that changes the build.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    "alter table evaluation_builds add column state text not null default ''",
    "alter table evaluation_builds add column list_name text not null default ''",
    `alter table evaluation_builds add column list_rank integer generated always as (case state
      when 'Building' then 0
      when 'Queued' then 1
      when 'Created' then 1
      when 'FailedPermanent' then 2
      when 'FailedTransient' then 2
      when 'FailedTimeout' then 2
      when 'Aborted' then 3
      when 'DependencyFailed' then 3
      else 4 end) virtual`,
    `update evaluation_builds set (state, list_name) = (${copyOf("evaluation_builds.build_id")})`,
    `create index evaluation_builds_in_order
      on evaluation_builds (evaluation_id, list_rank, list_name, build_id, state)`,
    `create trigger evaluation_builds_copy after insert on evaluation_builds begin
      update evaluation_builds set (state, list_name) = (${copyOf("new.build_id")}) where id = new.id;
    end`,
    `create trigger builds_state after update of state on builds when old.state <> new.state begin
      update evaluation_builds set state = new.state where build_id = new.id;
    end`,
  ];
  statements.push(
    // What was made for projects with sign_cache false is held for workers and not shown.
    "alter table cache_paths add column is_hidden integer not null default 0",
    // By age: what is old is removed.
    "create index audit_events_by_created_at on audit_events (created_at)",
    "create index cache_paths_hidden on cache_paths (cache_id, hash_part, path) where is_hidden = 1",
  );
  for (const statement of statements) await sql.raw(statement).execute(db);
}

function copyOf(build: string): string {
  return `
    select builds.state, derivations.name from builds join derivations on derivations.id = builds.derivation_id
    where builds.id = ${build}`;
}
