import { sql, type Kysely } from "kysely";

/** How large closures are of evaluations that ended well and of their jobs, for charts. They are counted in the background, beginning with the newest evaluation. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const sizes = "build_bytes integer, runtime_bytes integer";

const STATEMENTS = [
  `create table evaluation_closures (
    evaluation_id text primary key not null references evaluations (id) on delete cascade, ${sizes}) without rowid`,
  `create table derivation_closures (
    derivation_id integer primary key not null references derivations (id) on delete cascade, ${sizes})`,
  `create table closures_due (
    evaluation_id text primary key not null references evaluations (id) on delete cascade)`,
  "insert into closures_due (evaluation_id) select id from evaluations where state = 'Completed'",
  `create trigger evaluations_closures after update of state on evaluations
  when new.state = 'Completed' and old.state <> 'Completed' begin
    insert or ignore into closures_due (evaluation_id) values (new.id);
  end`,
];
