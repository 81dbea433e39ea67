import type { OrganizationId } from "@gradient/protocol";
import { organizationIdSchema } from "@gradient/protocol";
import type { Database, PreparedQuery } from "./client.ts";

/** A path with a NAR, and whom it may be named to. */
export interface NamedPath {
  /** Base name. */
  readonly path: string;
  /** null: everybody. */
  readonly organization: OrganizationId | null;
}

/** Of a NAR that more paths have the others are not read. */
const MAX_PATHS = 10_000;

/** Which paths have a NAR, for organizations that read a cache which holds them, and for all where a public cache shows them. */
export class RestoreView {
  readonly #paths: PreparedQuery<[string, string], { path: string; organization: string | null }>;
  readonly #seen: PreparedQuery<[number], { worker: string }>;
  readonly #name: PreparedQuery<[string, string], { name: string }>;

  constructor(database: Pick<Database, "prepare">) {
    this.#paths = database.prepare(
      `select p.path, s.organization_id as organization from cache_paths p
       join cache_subscriptions s on s.cache_id = p.cache_id and s.mode in ('ReadWrite', 'ReadOnly')
       where p.nar_hash = ?
       union
       select p.path, null from cache_paths p
       join caches c on c.id = p.cache_id and c.public = 1 and c.active = 1
       where p.nar_hash = ? and p.is_hidden = 0
       limit ${MAX_PATHS}`,
    );
    this.#seen = database.prepare(
      `select w.id as worker from workers w
       where w.last_seen_at >= ? and exists
         (select 1 from worker_registrations r where r.worker_id = w.id and r.active = 1)`,
    );
    this.#name = database.prepare(
      "select display_name as name from worker_registrations where organization_id = ? and worker_id = ?",
    );
  }

  /** By the NAR's hash, 52 characters of Nix base 32; at most ten thousand. A path comes once for each whom it may be named to. */
  pathsWith(narHash: string): NamedPath[] {
    return this.#paths.all(narHash, narHash).map(({ path, organization }) => ({
      path,
      organization: organizationIdSchema.nullable().parse(organization),
    }));
  }

  /** Registered workers that were connected at that time, in milliseconds, or later. */
  workersSeenSince(time: number): string[] {
    return this.#seen.all(time).map(({ worker }) => worker);
  }

  /** What the organization calls the worker; empty when it has no name for it. */
  workerName(organization: string, worker: string): string {
    return this.#name.get(organization, worker)?.name ?? "";
  }
}
