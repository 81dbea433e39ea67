import type { BuildObject } from "../cuirass/build-object.ts";
import { jsonObject } from "./json-column.ts";

const CREATED = "coalesce(x.created_at, d.created_at)";
const BEGAN = "coalesce(x.started_at, x.assigned_at)";
const ENDED = "coalesce(x.stopped_at, x.stored_at, x.updated_at, d.created_at)";

/** What never began has no start; what was found ready began and ended in that moment. Of what runs an earlier attempt may have begun before this one was given out. */
const START = `
  case when b.status < -1 then 0
    when b.status = -1 then max(coalesce(x.started_at, 0), coalesce(x.assigned_at, 0))
    when ${BEGAN} is not null then ${BEGAN}
    when b.status = 0 then ${ENDED} else 0 end`;

const OUTPUTS = `json((
  select json_group_object(u.name, json_object('path', '/nix/store/' || u.path) order by u.name)
  from derivation_outputs u where u.derivation_id = d.id and u.path is not null))`;

/** A project's build in Cuirass's words, but for its products. Times are seconds, rounded down. */
const MEMBERS: Readonly<Record<keyof BuildObject, string>> = {
  id: "b.number",
  evaluation: "b.evaluation",
  jobset: "coalesce(p.alias, o.name || '.' || p.name)",
  job: "b.job_name",
  timestamp: `iif(b.status < 0, ${CREATED}, ${ENDED}) / 1000`,
  starttime: `(${START}) / 1000`,
  stoptime: `iif(b.status < 0, 0, ${ENDED}) / 1000`,
  derivation: "'/nix/store/' || d.drv_path",
  buildoutputs: OUTPUTS,
  system: "b.system",
  nixname: "b.nix_name",
  buildstatus: "b.status",
  weather: "b.weather",
  busy: "b.status = -1",
  priority: "b.priority",
  finished: "b.status >= 0",
  buildproducts: "json('[]')",
};

/**
 * The database writes the answer, in the order of the numbers: a thousand rows with as many columns cost three times as much when each value is fetched by
 * itself. Products are rare, and lie in files of caches; who reads this adds them.
 */
export const BUILDS_AS_JSON = `
  select json_group_array(${jsonObject(MEMBERS)}) as builds,
    json_group_array(b.number) filter (
      where b.status = 0 and exists (select 1 from build_products n where n.build = b.number)) as "withProducts"
  from json_each(?) wanted
    cross join project_builds b on b.number = wanted.value
    cross join projects p on p.id = b.project_id
    cross join organizations o on o.id = p.organization_id
    cross join derivations d on d.id = b.derivation_id
    left join builds x on x.derivation_id = d.id`;

/** SQL for the systems that a project has builds for, as JSON in their order. */
export function systemsOf(project: string): string {
  return `(
    with recursive each (system) as (
      select min(system) from project_builds where project_id = ${project}
      union all
      select (select min(b.system) from project_builds b where b.project_id = ${project} and b.system > each.system)
        from each where each.system is not null)
    select json_group_array(system) from each where system is not null)`;
}
