import type { Database } from "./client.ts";
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
  /** Of its polling trigger: the configuration, as it is stored; null without one that is active. */
  readonly pollingJson: string | null;
}

type Row = Omit<Jobset, "name" | "isActive" | "isHookOpen"> & { active: 0 | 1; openHook: 0 | 1 };

const COLUMNS = `
  p.id as "projectId", o.id as "organizationId", o.name as organization, p.name as project, p.alias,
  p.display_name as "displayName", p.repository, p.active, p.priority, p.open_hook as "openHook",
  (select t.config_json from triggers t where t.project_id = p.id and t.type = 'polling' and t.active = 1 and t.is_hook = 0
    order by t.created_at, t.id limit 1) as "pollingJson"`;

/** Of organizations that hide them, those are left out that build requests go to. */
const SHOWN = `not (o.hide_build_requests = 1 and p.name = 'build-request')`;

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

function jobsetOf({ active, openHook, ...row }: Row): Jobset {
  return {
    ...row,
    name: jobsetName(row),
    isActive: active === 1,
    isHookOpen: openHook === 1,
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
