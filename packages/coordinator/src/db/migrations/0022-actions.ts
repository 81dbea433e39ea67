import { sql, type Kysely } from "kysely";

/**
 * What projects tell the world of their evaluations and builds. Triggers note each event that somebody wants to be told of, in the transaction
 * that changes the state, wherever that happens: nothing is forgotten, and who changes states need not know of it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...TABLES, ...TRIGGERS]) await sql.raw(statement).execute(db);
}

const TABLES = [
  `create table actions (
    id text primary key not null,
    project_id text not null references projects (id) on delete cascade,
    name text not null,
    type text not null,
    config_json text not null,
    events_json text not null,
    token text,
    integration_id text references integrations (id) on delete cascade,
    active integer not null,
    last_fired_at integer,
    created_by text not null,
    created_at integer not null,
    updated_at integer not null,
    unique (project_id, name)
  )`,
  "create index actions_by_integration_id on actions (integration_id)",
  "create index actions_active on actions (project_id) where active = 1",
  `create table action_deliveries (
    id text primary key not null,
    action_id text not null references actions (id) on delete cascade,
    event text not null,
    state text not null,
    evaluation_id text,
    build_id text,
    created_at integer not null,
    due_at integer,
    tries integer not null default 0,
    is_delivered integer not null default 0,
    request_body text not null default '',
    response_status integer,
    response_body text,
    error text,
    duration_ms integer not null default 0,
    tried_at integer
  )`,
  "create index action_deliveries_by_action_id on action_deliveries (action_id, created_at, id)",
  "create index action_deliveries_due on action_deliveries (due_at) where due_at is not null",
  "create index action_deliveries_old on action_deliveries (created_at) where due_at is null",
];

/** SQL for a random UUID (version 4). */
const UUID = `lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
  || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))`;

const ENDED = "('Completed', 'Failed', 'Aborted')";

const EVALUATION_EVENT = `case
  when new.state in ${ENDED} then 'evaluation.' || lower(new.state)
  when new.state = 'Building' and old.state <> 'Waiting' then 'evaluation.building'
  when new.state in ('Fetching', 'EvaluatingFlake') and old.state = 'Queued' then 'evaluation.started'
  when new.state = 'Queued' and old.state in ${ENDED} then 'evaluation.queued'
end`;

const BUILD_EVENT = `case new.state
  when 'Queued' then 'build.queued'
  when 'Building' then 'build.started'
  when 'Completed' then 'build.completed'
  when 'Substituted' then 'build.substituted'
  when 'FailedPermanent' then 'build.failed'
  when 'FailedTimeout' then 'build.failed'
end`;

const COLUMNS = "(id, action_id, event, state, evaluation_id, build_id, created_at, due_at)";

/** The event is wanted by an active action of the project. */
function wanted(event: string): string {
  return `actions.active = 1 and exists (select 1 from json_each(actions.events_json) where value = ${event})`;
}

function noteEvaluation(event: string): string {
  return `insert into action_deliveries ${COLUMNS}
    select ${UUID}, actions.id, ${event}, new.state, new.id, null, new.updated_at, new.updated_at
    from actions where actions.project_id = new.project_id and ${wanted(event)};`;
}

const TRIGGERS = [
  `create trigger evaluations_begun after insert on evaluations begin
    ${noteEvaluation("case new.needs_approval when 1 then 'evaluation.action_required' else 'evaluation.queued' end")}
  end`,
  `create trigger evaluations_told after update of state on evaluations when old.state <> new.state begin
    ${noteEvaluation(EVALUATION_EVENT)}
  end`,
  `create trigger evaluations_allowed after update of needs_approval on evaluations
    when old.needs_approval = 1 and new.needs_approval = 0 begin
    ${noteEvaluation("'evaluation.approval_granted'")}
  end`,
  `create trigger builds_told after update of state on builds
    when old.state <> new.state and exists (select 1 from actions where active = 1) begin
    insert into action_deliveries ${COLUMNS}
    select ${UUID}, actions.id, ${BUILD_EVENT}, new.state, link.evaluation_id, link.id, new.updated_at, new.updated_at
    from evaluation_builds link
      join evaluations on evaluations.id = link.evaluation_id
      join actions on actions.project_id = evaluations.project_id
    where link.build_id = new.id and evaluations.state not in ${ENDED} and ${wanted(BUILD_EVENT)};
  end`,
];
