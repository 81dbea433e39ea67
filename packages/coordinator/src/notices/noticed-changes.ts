import type { Queries } from "../db/client.ts";
import { insertNotice } from "../db/notice-repository.ts";
import type { Evaluations, WorkerLink } from "../ports.ts";

/** Stands for the daemon in another process: what it is to be told is written down for it. One that does not run reads everything when it starts. */
export function noticedChanges(
  db: Queries,
): Pick<WorkerLink, "registrationsChanged" | "keyChanged"> & Pick<Evaluations, "cachesChanged"> {
  const noting = (kind: "worker" | "worker_key" | "caches_of") => (subject: string) =>
    insertNotice(db, { kind, subject });
  return {
    registrationsChanged: noting("worker"),
    keyChanged: noting("worker_key"),
    cachesChanged: noting("caches_of"),
  };
}
