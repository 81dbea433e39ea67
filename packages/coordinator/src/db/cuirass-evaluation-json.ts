import type { EvaluationObject } from "../cuirass/evaluation-object.ts";
import { cuirassEvaluationStatus } from "../scheduler/api-words.ts";
import { EVALUATION_STATES, type EvaluationState } from "../scheduler/evaluation-state.ts";
import { jsonObject } from "./json-column.ts";

const HAS_JOBS = "exists (select 1 from jobs j where j.evaluation_number = e.number)";

/** The status of one state, which jobs or the end of the evaluation may decide. */
function statusIn(state: EvaluationState): string {
  const status = (isEvaluated: boolean, hasJobs: boolean): number =>
    cuirassEvaluationStatus(state, { isEvaluated, hasJobs });
  const choice = (condition: string, yes: string | number, no: string | number): string | number =>
    yes === no ? yes : `iif(${condition}, ${yes}, ${no})`;
  const ofJobs = (isEvaluated: boolean): string | number =>
    choice(HAS_JOBS, status(isEvaluated, true), status(isEvaluated, false));
  const value = choice("e.building_started_at is not null", ofJobs(true), ofJobs(false));
  return `when '${state}' then ${value}`;
}

const STATUS = `case e.state ${EVALUATION_STATES.map(statusIn).join(" ")} end`;

const COMMIT = "coalesce(c.hash, e.revision)";

/** An evaluation in Cuirass's words. Times are seconds, rounded down. */
const MEMBERS: Readonly<Record<keyof EvaluationObject, string>> = {
  id: "e.number",
  specification: "coalesce(p.alias, o.name || '.' || p.name)",
  status: STATUS,
  timestamp: "e.created_at / 1000",
  checkouttime: "coalesce(c.created_at, 0) / 1000",
  evaltime: `iif(${STATUS} = -1, 0, coalesce(e.building_started_at, e.finished_at, e.updated_at)) / 1000`,
  checkouts: `iif(${COMMIT} is null, json('[]'), json_array(json_object('commit', ${COMMIT},
    'channel', coalesce(p.alias, p.name), 'directory', coalesce('/nix/store/' || e.source_path, ''))))`,
};

/** The database writes the answer, in the order of the numbers. */
export const EVALUATIONS_AS_JSON = `
  select json_group_array(${jsonObject(MEMBERS)}) as evaluations
  from json_each(?) wanted
    cross join evaluations e on e.number = wanted.value
    cross join projects p on p.id = e.project_id
    cross join organizations o on o.id = p.organization_id
    left join commits c on c.id = e.commit_id`;
