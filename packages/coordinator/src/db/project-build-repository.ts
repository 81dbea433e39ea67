import { sql } from "kysely";
import { nameJobs } from "../cuirass/job-name.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** An attribute that has a derivation. */
export interface JobToRegister {
  readonly attribute: readonly string[];
  readonly derivation: number;
}

export interface RegisteredJob {
  readonly name: string;
  readonly evaluationNumber: number;
  /** Of the project's build. */
  readonly buildNumber: number;
}

/**
 * Gives the jobs names that no other job of the evaluation has, and their derivations a build of the project where they have none yet. Resolves to nothing for
 * an evaluation outside of projects.
 */
export async function registerJobs<Job extends JobToRegister>(
  db: Queries,
  evaluationId: string,
  jobs: readonly Job[],
): Promise<Map<Job, RegisteredJob>> {
  const registered = new Map<Job, RegisteredJob>();
  const evaluation = await db
    .selectFrom("evaluations")
    .select(["number", "project_id", "priority"])
    .where("id", "=", evaluationId)
    .executeTakeFirst();
  if (evaluation === undefined || evaluation.project_id === null) return registered;
  const { number: evaluationNumber, project_id: projectId, priority } = evaluation;
  for (const batch of batchesOf(jobs)) {
    const names = await findNames(db, { evaluationId, evaluationNumber }, batch);
    const numbers = await insertProjectBuilds(
      db,
      { evaluationNumber, projectId, priority },
      batch.map((job) => ({ derivation: job.derivation, name: names.get(job) ?? "" })),
    );
    for (const job of batch) {
      const name = names.get(job);
      const buildNumber = numbers.get(job.derivation);
      if (name === undefined || buildNumber === undefined) continue;
      registered.set(job, { name, evaluationNumber, buildNumber });
    }
  }
  return registered;
}

async function findNames<Job extends JobToRegister>(
  db: Queries,
  of: { evaluationId: string; evaluationNumber: number },
  jobs: readonly Job[],
): Promise<Map<Job, string>> {
  const derivations = jobs.map(({ derivation }) => derivation);
  const rows = await db
    .selectFrom("derivations")
    .select(["id", "system"])
    .where("id", "in", [...new Set(derivations)])
    .execute();
  const systems = new Map(rows.map(({ id, system }) => [id, system]));
  const toName = jobs.map((job) => {
    const system = systems.get(job.derivation) ?? "";
    return { job, attribute: job.attribute, system, text: JSON.stringify(job.attribute) };
  });
  // Only what is wanted now can be in the way, so names are asked for as they are tried; few are tried twice.
  let taken = new Map<string, string>();
  for (;;) {
    const names = nameJobs(toName, (name, { text }) => (taken.get(name) ?? text) !== text);
    const found = await ownersOf(db, of.evaluationNumber, [...names.values()]);
    const isFree = toName.every((job) => {
      const owner = found.get(names.get(job) ?? "");
      return owner === undefined || owner === job.text;
    });
    if (isFree) return new Map(toName.map((each) => [each.job, names.get(each) ?? ""]));
    taken = new Map([...taken, ...found]);
  }
}

/** Which attributes of the evaluation have these names. */
async function ownersOf(
  db: Queries,
  evaluationNumber: number,
  names: readonly string[],
): Promise<Map<string, string>> {
  const rows = await db
    .selectFrom("jobs")
    .select(["name", "attribute_json"])
    .where("evaluation_number", "=", evaluationNumber)
    .where("name", "in", names)
    .execute();
  return new Map(
    rows.flatMap(({ name, attribute_json }) => (name === null ? [] : [[name, attribute_json]])),
  );
}

/** Makes builds of the project in the order of the jobs. Resolves to their numbers by derivation. */
async function insertProjectBuilds(
  db: Queries,
  of: { evaluationNumber: number; projectId: string; priority: number },
  jobs: readonly { derivation: number; name: string }[],
): Promise<Map<number, number>> {
  const { evaluationNumber, projectId, priority } = of;
  const wanted = JSON.stringify(jobs.map(({ derivation, name }) => [derivation, name]));
  await sql`
    insert into project_builds
      (project_id, derivation_id, evaluation, job_name, is_job, system, nix_name, status, priority)
    select ${projectId}, d.id, ${evaluationNumber}, j.value ->> 1, 1, d.system, d.name,
      coalesce(
        (select s.status from cuirass_statuses s where s.state = b.state and s.attempt =
          (select a.status from attempts a where a.build_id = b.id order by a.number desc limit 1)),
        (select s.status from cuirass_statuses s where s.state = b.state and s.attempt = ''), -2),
      max(0, min(99, 49 - max(coalesce(b.priority, 0), ${priority})))
    from json_each(${wanted}) j
      cross join derivations d on d.id = j.value ->> 0
      left join builds b on b.derivation_id = d.id
    where not exists (select 1 from project_builds known
      where known.derivation_id = d.id and known.project_id = ${projectId})
    order by j.key
    on conflict (derivation_id, project_id) do nothing
  `.execute(db);
  // What was only needed by others before; the first of its jobs gives it the name.
  await sql`
    update project_builds set is_job = 1, job_name = j.value ->> 1
    from json_each(${wanted}) j
    where project_builds.derivation_id = j.value ->> 0 and project_builds.project_id = ${projectId}
      and project_builds.is_job = 0
  `.execute(db);
  const rows = await db
    .selectFrom("project_builds")
    .select(["number", "derivation_id"])
    .where("project_id", "=", projectId)
    .where("derivation_id", "in", [...new Set(jobs.map(({ derivation }) => derivation))])
    .execute();
  return new Map(rows.map((row) => [row.derivation_id, row.number]));
}

/** Rows that one statement removes at most: everybody else's writes wait for it. */
const PART = 500;

/** Removes a part of what a project has registered; the builds themselves are the organization's. False when nothing is left. */
export async function deleteProjectBuildsPart(db: Queries, projectId: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom("project_builds")
    .where("number", "in", (select) =>
      select
        .selectFrom("project_builds")
        .select("number")
        .where("project_id", "=", projectId)
        .limit(PART),
    )
    .executeTakeFirstOrThrow();
  return numDeletedRows > 0n;
}
