import type { OrganizationId, WorkerId } from "@gradient/protocol";
import type { Queries } from "../db/client.ts";
import { findUnsignedGroups, type UnsignedGroup } from "../db/unsigned-path-repository.ts";
import type { ConnectedWorker } from "./fleet.ts";
import type { LeaseBook } from "./lease-book.ts";

/** While a worker fetches or evaluates it publishes more, and signs all of it at once afterwards; but it puts nothing off for longer than this. */
const MAX_PUT_OFF_MS = 60_000;

/** Whose paths lack signatures. The paths themselves are read when they are given out. */
export class SigningTasks {
  readonly #groups = new Map<WorkerId, UnsignedGroup[]>();
  /** Workers whose list changed and was not read again yet. */
  readonly #unread = new Set<WorkerId>();

  /** It may have something to sign now: it is read before the next look. */
  note(worker: WorkerId): void {
    this.#unread.add(worker);
  }

  /** They were given out. */
  remove({ worker, organization }: UnsignedGroup): void {
    const left = this.#groups.get(worker)?.filter((group) => group.organization !== organization);
    this.#put(worker, left ?? []);
  }

  /** Reads the list of every worker that has news. What cannot be read is read the next time. */
  async refresh(db: Queries): Promise<void> {
    for (const worker of this.#unread) {
      this.#unread.delete(worker);
      try {
        this.#put(worker, await findUnsignedGroups(db, worker));
      } catch (error) {
        this.#unread.add(worker);
        throw error;
      }
    }
  }

  /** Notes everybody who has something to sign. */
  async noteAll(db: Queries): Promise<void> {
    for (const { worker } of await findUnsignedGroups(db)) this.note(worker);
  }

  /** What the worker may sign for one of its organizations now; null for nothing. */
  dueFor(worker: ConnectedWorker, leases: LeaseBook, now: number): UnsignedGroup | null {
    const groups = this.#groups.get(worker.id);
    if (groups === undefined) return null;
    const held = new Set(Array.from(leases.ofWorker(worker.id), ({ lease }) => lease.kind));
    if (held.has("sign")) return null;
    const putOffMs = held.has("fetch") || held.has("eval") ? MAX_PUT_OFF_MS : 0;
    const organizations: ReadonlySet<OrganizationId> = worker.organizationsFor("build");
    const due = groups.filter(
      ({ organization, dueAt }) => organizations.has(organization) && dueAt + putOffMs <= now,
    );
    return due.toSorted((a, b) => a.dueAt - b.dueAt)[0] ?? null;
  }

  #put(worker: WorkerId, groups: UnsignedGroup[]): void {
    if (groups.length > 0) this.#groups.set(worker, groups);
    else this.#groups.delete(worker);
  }
}
