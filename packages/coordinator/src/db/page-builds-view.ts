import type { Database } from "./client.ts";
import { PlaceReader } from "./place-reader.ts";

/** Reads of builds and attempts for pages. Whose they are is the caller's question. */

export interface PageAttempt {
  readonly buildId: number;
  readonly number: number;
  readonly status: string;
  readonly workerId: string | null;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}

/** A derivation that another one needs. */
export interface PageDependency {
  readonly name: string;
  /** Of the project's build; both null when the project does not have it. */
  readonly build: number | null;
  readonly status: number | null;
}

/** A build that a worker has now. */
export interface HeldBuild {
  readonly workerId: string;
  readonly organizationId: string;
  readonly projectId: string | null;
  /** Of a project's build. */
  readonly number: number | null;
  readonly job: string | null;
  readonly name: string;
  readonly startedAt: number;
}

/** A day of an organization, of the attempts that stopped on it. */
export interface PageDay {
  /** Its beginning, UTC. */
  readonly at: number;
  readonly status: string;
  readonly attempts: number;
  readonly cpuSeconds: number;
}

/** Synchronous reads by index. Times are milliseconds since the epoch. */
export class PageBuildsView {
  readonly #reader: PlaceReader;

  constructor(database: Database) {
    this.#reader = new PlaceReader(database);
  }

  /** Newest attempts of the builds (row ids); those without one are left out. */
  newestAttempts(builds: readonly number[]): PageAttempt[] {
    return this.#reader.all<PageAttempt>(
      `select t.build_id as "buildId", t.number, t.status, t.worker_id as "workerId", t.cpu_time_ms as "cpuMs",
         t.memory_peak_bytes as "memoryBytes"
       from json_each(?) wanted
         cross join attempts t on t.number = (select max(a.number) from attempts a where a.build_id = wanted.value)`,
      [JSON.stringify(builds)],
    );
  }

  /** UUID of one of the evaluation builds of a build; null when there is none any more. */
  anyLink(build: number): string | null {
    const [row] = this.#reader.all<{ id: string }>(
      "select l.id from evaluation_builds l where l.build_id = ? limit 1",
      [build],
    );
    return row?.id ?? null;
  }

  /** Direct inputs: those that have not succeeded first. */
  dependencies(of: { projectId: string; derivationId: number; limit: number }): PageDependency[] {
    return this.#reader.all<PageDependency>(
      `select d.name, b.number as build, b.status
       from derivation_inputs i cross join derivations d on d.id = i.input_id
         left join project_builds b on b.derivation_id = d.id and b.project_id = ?
       where i.derivation_id = ?
       order by coalesce(b.status, 0) = 0, b.status = -1 desc, d.name limit ?`,
      [of.projectId, of.derivationId, of.limit],
    );
  }

  /** Direct inputs, of which `dependencies` names only the first. */
  countDependencies(derivationId: number): number {
    const [row] = this.#reader.all<{ count: number }>(
      "select count(*) as count from derivation_inputs where derivation_id = ?",
      [derivationId],
    );
    return row?.count ?? 0;
  }

  /** What workers have now, whoever's it is, the longest first. */
  heldBuilds(): HeldBuild[] {
    return this.#reader.all<HeldBuild>(
      `select a.worker_id as "workerId", a.organization_id as "organizationId", p.project_id as "projectId", p.number,
         p.job_name as job, d.name, coalesce(x.started_at, x.assigned_at, a.created_at) as "startedAt"
       from assignments a cross join attempts t on t.number = a.attempt
         cross join builds x on x.id = t.build_id cross join derivations d on d.id = x.derivation_id
         left join project_builds p on p.number = (select max(n.number) from project_builds n where n.derivation_id = d.id)
       where a.kind = 'build' and a.state = 'accepted' order by 7`,
      [],
    );
  }

  /** Numbers of projects' builds that a worker had last, the newest first, of some organizations (ids). */
  lastOfWorker(of: {
    workerId: string;
    organizations: readonly string[];
    limit: number;
  }): number[] {
    const rows = this.#reader.all<{ number: number | null }>(
      `select (select max(n.number) from project_builds n where n.derivation_id = x.derivation_id) as number
       from (select number, build_id from attempts where worker_id = ? and assigned_at is not null
           order by number desc limit ?) t
         cross join builds x on x.id = t.build_id
       where x.organization_id in (select value from json_each(?)) order by t.number desc`,
      [of.workerId, of.limit, JSON.stringify(of.organizations)],
    );
    return [...new Set(rows.flatMap(({ number }) => (number === null ? [] : [number])))];
  }

  /** When a worker was connected last; null for one that never was. */
  lastSeen(worker: string): number | null {
    const [row] = this.#reader.all<{ at: number }>(
      "select last_seen_at as at from workers where id = ?",
      [worker],
    );
    return row?.at ?? null;
  }

  /** Of the organizations (ids) together, by day and how the attempts ended, from a day on. */
  days(organizations: readonly string[], from: number): PageDay[] {
    return this.#reader.all<PageDay>(
      `select s.at, s.status, sum(s.attempts) as attempts, sum(s.measured_seconds) as "cpuSeconds"
       from json_each(?) o cross join attempt_sums s on s.organization_id = o.value
       where s.scope = '' and s.unit = 'stopped' and s.at >= ? group by s.at, s.status order by s.at`,
      [JSON.stringify(organizations), from],
    );
  }
}
