import { usageRecordSchema, type UsageRecord } from "@gradient/protocol";
import type { Caller } from "../auth/caller.ts";
import { findNumberedProducts } from "../cuirass/describe-builds.ts";
import { listAttempts, listOutputs } from "../db/build-view.ts";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { readJsonColumn } from "../db/json-column.ts";
import { forgeLinks } from "./forge-links.ts";
import { commitOf } from "./jobset-page.ts";
import { machineNames } from "./machine-names.ts";
import type { PageServices } from "./page-services.ts";
import { shownBuild, type ViewOf } from "./shown.ts";
import { waitsFor } from "./waits-for.ts";
import { attemptText, buildStatus, timesOf, weatherOf } from "./words.ts";

type View = ViewOf<"build">;

const MAX_HISTORY = 10;
const MAX_ATTEMPTS = 20;
/** Earlier builds that are searched for the first of those that fail in a row. */
const MAX_FAILURES = 200;
const MAX_DEPENDENCIES = 100;

/** Everything about a build. Throws NotFoundError. */
export async function buildPage(services: PageServices, caller: Caller, id: string): Promise<View> {
  const { database, cuirassEvaluations, pageBuilds } = services;
  const row = await shownBuild(services, caller, id);
  const attempts = row.buildId === null ? [] : await listAttempts(database.kysely, row.buildId);
  const machines = await machineNames(services, caller, row.organizationId);
  const usage = attempts[0]?.usage_json ?? null;
  const evaluation = cuirassEvaluations.evaluationByNumber(row.evaluation);
  const outputs = await listOutputs(database.kysely, row.derivationId);
  return {
    kind: "build",
    number: row.number,
    evaluation: row.evaluation,
    jobset: jobsetName(row),
    job: row.isJob === 1 ? row.job : null,
    name: row.nixName,
    status: buildStatus(row.status),
    weather: weatherOf(row.weather),
    system: row.system,
    derivation: `/nix/store/${row.drvPath}`,
    message: row.message,
    waitsFor: waitsFor(services, row, attempts[0]?.number ?? null),
    createdAt: row.createdAt,
    readyAt: attempts[0]?.created_at ?? null,
    ...timesOf(row),
    worker: machines.of(attempts[0]?.worker_id ?? null),
    hasLog: attempts.length > 0 || row.status === 0,
    outputs: outputs.map(({ name, path }) => ({
      name,
      path: path === null ? null : `/nix/store/${path}`,
    })),
    products: await productsOf(services, row),
    usage: usage === null ? null : usageOf(readJsonColumn(usageRecordSchema, usage)),
    attempts: attempts.slice(0, MAX_ATTEMPTS).map((attempt) => ({
      number: attempt.number,
      status: attemptText(attempt.status),
      worker: machines.of(attempt.worker_id),
      startedAt: attempt.started_at,
      stoppedAt: attempt.stopped_at,
      cpuMs: attempt.cpu_time_ms,
      memoryBytes: attempt.memory_peak_bytes,
      message: attempt.message,
    })),
    dependencies: dependenciesOf(services, row),
    dependencyCount: pageBuilds.countDependencies(row.derivationId),
    change: await changeOf(services, row),
    firstFailure: firstFailureOf(services, row),
    history: historyOf(services, row),
    live: evaluation === null || row.status >= 0 ? null : `/api/v1/evals/${evaluation.id}/live`,
  };
}

async function productsOf(
  { database }: PageServices,
  row: ProjectBuildRow,
): Promise<View["products"]> {
  const products = await findNumberedProducts(database.kysely, [row]);
  return (products.get(row.number) ?? []).map(({ number, type, path, size }) => ({
    number,
    type,
    name: path.split("/").at(-1) ?? path,
    sizeBytes: size,
  }));
}

/** Without what only other pages show. */
function usageOf(usage: UsageRecord): View["usage"] {
  return { ...usage };
}

function dependenciesOf(
  { pageBuilds }: PageServices,
  { projectId, derivationId }: ProjectBuildRow,
): View["dependencies"] {
  const found = pageBuilds.dependencies({ projectId, derivationId, limit: MAX_DEPENDENCIES });
  return found.map(({ name, build, status }) => ({
    name,
    build,
    status: buildStatus(status ?? 0),
  }));
}

async function changeOf(services: PageServices, row: ProjectBuildRow): Promise<View["change"]> {
  const { cuirassEvaluations, cuirassJobsets, pageJobs } = services;
  const evaluation = cuirassEvaluations.evaluationByNumber(row.evaluation);
  if (evaluation === null) return null;
  const previous = cuirassEvaluations.previousSucceeded(evaluation);
  const links = forgeLinks(cuirassJobsets.jobsetOfProject(row.projectId)?.repository ?? "");
  const messages = pageJobs.commitMessages(
    [evaluation, previous].flatMap((each) => (each === null ? [] : [each.id])),
  );
  const commit = commitOf(evaluation, messages.get(evaluation.id) ?? null, links);
  if (commit === null) return null;
  const before =
    previous === null ? null : commitOf(previous, messages.get(previous.id) ?? null, links);
  const rangeUrl = links === null || before === null ? null : links.range(before.hash, commit.hash);
  return { commit, previous: before, rangeUrl };
}

/** The oldest of the failures in a row that this one is among; null for what has not failed, or failed only now. */
function firstFailureOf(
  { cuirassBuilds }: PageServices,
  row: ProjectBuildRow,
): View["firstFailure"] {
  if (row.status <= 0 || row.isJob === 0) return null;
  const { projectId: project, job } = row;
  let first = row;
  for (const each of cuirassBuilds.jobBuilds({ project, job, limit: MAX_FAILURES })) {
    if (each.evaluation > row.evaluation || each.status < 0) continue;
    if (each.status === 0) break;
    first = each;
  }
  return first.number === row.number ? null : { build: first.number, evaluation: first.evaluation };
}

function historyOf(
  { cuirassBuilds, pageBuilds }: PageServices,
  { projectId: project, job, isJob }: ProjectBuildRow,
): View["history"] {
  if (isJob === 0) return [];
  const builds = cuirassBuilds.jobBuilds({ project, job, limit: MAX_HISTORY });
  const attempts = new Map(
    pageBuilds
      .newestAttempts(builds.flatMap(({ buildId }) => (buildId === null ? [] : [buildId])))
      .map((attempt) => [attempt.buildId, attempt]),
  );
  return builds.map((build) => {
    const attempt = build.buildId === null ? undefined : attempts.get(build.buildId);
    return {
      number: build.number,
      evaluation: build.evaluation,
      status: buildStatus(build.status),
      ...timesOf(build),
      cpuMs: attempt?.cpuMs ?? null,
      memoryBytes: attempt?.memoryBytes ?? null,
    };
  });
}
