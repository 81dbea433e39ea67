import type { JobsetObject } from "../cuirass/jobset-object.ts";
import type { Database } from "./client.ts";
import { systemsOf } from "./cuirass-build-json.ts";
import { jsonObject } from "./json-column.ts";
import { PlaceReader } from "./place-reader.ts";

/** A project as Cuirass's API and pages have it: a jobset, or specification. */
export interface Jobset {
  readonly projectId: string;
  readonly organizationId: string;
  readonly organization: string;
  readonly project: string;
  readonly alias: string | null;
  /** Its alias, or ORGANIZATION.PROJECT. */
  readonly name: string;
  readonly displayName: string;
  readonly repository: string;
  readonly isActive: boolean;
  /** 0 to 9, lower is sooner. */
  readonly priority: number;
  readonly isHookOpen: boolean;
}

type Row = Omit<Jobset, "name" | "isActive" | "isHookOpen"> & { active: 0 | 1; openHook: 0 | 1 };

const COLUMNS = `
  p.id as "projectId", o.id as "organizationId", o.name as organization, p.name as project, p.alias,
  p.display_name as "displayName", p.repository, p.active, p.priority, p.open_hook as "openHook"`;

const NAME = "coalesce(p.alias, o.name || '.' || p.name)";

/** A project in Cuirass's words, with the trigger `t` that polls for it. */
const MEMBERS: Readonly<Record<keyof JobsetObject, string>> = {
  name: NAME,
  build: "'custom'",
  channels: `json_array(json_object('name', coalesce(p.alias, p.name), 'url', p.repository,
    'branch', coalesce(t.config_json ->> 'branch', 'HEAD'), 'commit', json('false')))`,
  "build-outputs": "json('[]')",
  notifications: `(select json_group_array(json_object('type', 'email')) from actions
    where actions.project_id = p.id and actions.active = 1 and actions.type = 'send_mail')`,
  period: "coalesce(t.config_json ->> 'interval_secs', 0)",
  priority: "p.priority",
  systems: `json(${systemsOf("p.id")})`,
};

/** Of organizations that hide them, those are left out that build requests go to. */
const SHOWN = `not (o.hide_build_requests = 1 and p.name = 'build-request')`;

/** The project of build requests is in none of the answers where its organization hides it. */
export class CuirassJobsetView {
  readonly #reader: PlaceReader;

  constructor(database: Database) {
    this.#reader = new PlaceReader(database);
  }

  /** All projects of the organizations (ids), active or not, by name. */
  listJobsets(organizations: readonly string[]): Jobset[] {
    return this.#reader
      .all<Row>(
        `select ${COLUMNS} from json_each(?) wanted
           cross join organizations o on o.id = wanted.value
           cross join projects p on p.organization_id = o.id
         where ${SHOWN}`,
        [JSON.stringify(organizations)],
      )
      .map(jobsetOf)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** A JSON array of the active projects of the organizations in Cuirass's words, by name. */
  activeJobsetsText(organizations: readonly string[]): string {
    const [found] = this.#reader.all<{ jobsets: string }>(
      `select json_group_array(${jsonObject(MEMBERS)} order by ${NAME}) as jobsets
       from json_each(?) wanted
         cross join organizations o on o.id = wanted.value
         cross join projects p on p.organization_id = o.id
         left join triggers t on t.id = (
           select x.id from triggers x where x.project_id = p.id and x.type = 'polling' and x.active = 1 and x.is_hook = 0
           order by x.created_at, x.id limit 1)
       where p.active = 1 and ${SHOWN}`,
      [JSON.stringify(organizations)],
    );
    return found?.jobsets ?? "[]";
  }

  /** Ids of the projects of the organizations. */
  projectsOf(organizations: readonly string[]): string[] {
    return this.#reader
      .all<{ id: string }>(
        `select p.id from json_each(?) wanted
           cross join organizations o on o.id = wanted.value
           cross join projects p on p.organization_id = o.id
         where ${SHOWN}`,
        [JSON.stringify(organizations)],
      )
      .map(({ id }) => id);
  }

  /** The project with an alias, or called ORGANIZATION.PROJECT. */
  jobset(name: string): Jobset | null {
    const [, organization, project] = /^([^.]+)\.([^.]+)$/.exec(name) ?? [];
    return organization === undefined || project === undefined
      ? this.#find("p.alias = ?", [name])
      : this.#find("o.name = ? and p.name = ?", [organization, project]);
  }

  /** By the project's UUID. */
  jobsetOfProject(projectId: string): Jobset | null {
    return this.#find("p.id = ?", [projectId]);
  }

  #find(condition: string, values: readonly string[]): Jobset | null {
    const [row] = this.#reader.all<Row>(
      `select ${COLUMNS} from projects p join organizations o on o.id = p.organization_id
       where ${condition} and ${SHOWN}`,
      values,
    );
    return row === undefined ? null : jobsetOf(row);
  }
}

function jobsetOf(row: Row): Jobset {
  return {
    ...row,
    name: jobsetName(row),
    isActive: row.active === 1,
    isHookOpen: row.openHook === 1,
  };
}

/** How a project is called wherever it is shown; both names are understood. */
export function jobsetName(of: {
  organization: string;
  project: string;
  alias: string | null;
}): string {
  return of.alias ?? `${of.organization}.${of.project}`;
}
