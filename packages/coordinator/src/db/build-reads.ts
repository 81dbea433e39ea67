import type { OrganizationId, WorkerId } from "@gradient/protocol";
import { workerIdSchema } from "@gradient/protocol";
import { UNFINISHED_BUILD_STATES, type BuildState } from "../scheduler/build-state.ts";
import { buildStateOf } from "./build-repository.ts";
import type { Database, PreparedQuery } from "./client.ts";

/** Hot reads over builds. They see what is committed. */
export interface BuildReads {
  ofDerivation(derivation: number): { id: number; state: BuildState } | null;
  isLinked(evaluationId: string, build: number): boolean;
  /** The failed attempt because of which the evaluation does not have the build run again; null when it does. */
  reusedFailure(evaluationId: string, build: number): number | null;
  /** How many direct inputs of the build each worker has built. */
  countInputsByWorker(build: number): Map<WorkerId, number>;
  /** Whether an input of the derivation is not built yet. */
  hasUnfinishedInput(derivation: number): boolean;
  /** Whether a running build of the organization is about to show this path: it is built, and only its upload or signature is missing. Base name. */
  isOutputAnnounced(organization: OrganizationId, path: string): boolean;
}

/** Prepared once for a database: planning a large evaluation asks these for every derivation. */
export function prepareBuildReads(database: Database): BuildReads {
  const ofDerivation: PreparedQuery<[number], { id: number; state: string }> = database.prepare(
    "select id, state from builds where derivation_id = ?",
  );
  const isLinked: PreparedQuery<[string, number], { one: number }> = database.prepare(
    "select 1 as one from evaluation_builds where evaluation_id = ? and build_id = ?",
  );
  const reused: PreparedQuery<[number, string], { attempt: number }> = database.prepare(
    `select a.number as attempt from builds b
     join attempts a on a.number = (select max(number) from attempts where build_id = b.id)
     join derivations d on d.id = b.derivation_id
     join evaluations e
     where b.id = ? and e.id = ?
       and ((coalesce(d.facts_json ->> 'reusesFailures', e.reuse_build_failures) = 1 and b.state = 'FailedPermanent' and a.status = 'build_failed')
         or (coalesce(d.facts_json ->> 'reusesTimeouts', e.reuse_build_timeouts) = 1 and b.state = 'FailedTimeout' and a.status = 'timeout'))`,
  );
  const inputs: PreparedQuery<[number], { worker: string; count: number }> = database.prepare(
    `select a.worker_id as worker, count(*) as count
     from builds b
     join derivation_inputs i on i.derivation_id = b.derivation_id
     join builds input on input.derivation_id = i.input_id
     join attempts a on a.build_id = input.id
       and (a.status = 'built' or (a.status = 'running' and input.state = 'Building' and input.is_announced = 1))
     where b.id = ? group by a.worker_id`,
  );
  const unfinishedInput: PreparedQuery<[number], { one: number }> = database.prepare(
    `select 1 as one from derivation_inputs i join builds input on input.derivation_id = i.input_id
     where i.derivation_id = ? and input.state in (${UNFINISHED_BUILD_STATES.map((state) => `'${state}'`).join()}) limit 1`,
  );
  const announced: PreparedQuery<[string, string], { one: number }> = database.prepare(
    `select 1 as one from derivation_outputs o join builds b on b.derivation_id = o.derivation_id
     where b.organization_id = ? and o.path = ? and b.state = 'Building' and b.is_announced = 1 limit 1`,
  );
  return {
    ofDerivation: (derivation) => {
      const row = ofDerivation.get(derivation);
      return row === undefined ? null : { id: row.id, state: buildStateOf(row.state) };
    },
    isLinked: (evaluationId, build) => isLinked.get(evaluationId, build) !== undefined,
    reusedFailure: (evaluationId, build) => reused.get(build, evaluationId)?.attempt ?? null,
    countInputsByWorker: (build) =>
      new Map(inputs.all(build).map(({ worker, count }) => [workerIdSchema.parse(worker), count])),
    hasUnfinishedInput: (derivation) => unfinishedInput.get(derivation) !== undefined,
    isOutputAnnounced: (organization, path) => announced.get(organization, path) !== undefined,
  };
}
