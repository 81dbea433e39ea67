import type { usageRecordSchema } from "@gradient/protocol";
import Database from "better-sqlite3";
import { fillCuirass, registerLater, type CuirassNames } from "./cuirass-database.ts";
import type { z } from "zod";

/** What the database of a farm that has run for years holds. */
const ORGANIZATIONS = 100;
const PROJECTS = 5;
const EVALUATIONS = 50;
const BUILDS = 10_000;
/** Builds that an evaluation links; each organization's last one links all. */
const BUILDS_PER_EVALUATION = BUILDS / EVALUATIONS;
const JOBS_PER_EVALUATION = 20;
const MESSAGES_PER_EVALUATION = 10;
const TOTAL = ORGANIZATIONS * BUILDS;

/** Some rows of each kind, for the requests of a benchmark. */
export interface LargeDatabase extends CuirassNames {
  organizations: string[];
  projects: string[];
  caches: string[];
  /** With 200 builds each. */
  evaluations: string[];
  /** With 10,000 builds. */
  largeEvaluation: string;
  /** With dependencies below and above them. */
  builds: string[];
  /** Of the large evaluation. */
  largeBuild: string;
  commits: string[];
  /** Numbers of attempts, and base names of derivations. */
  attempts: string[];
  drvPaths: string[];
  /** Hash parts of paths that the first cache has. */
  pathHashes: string[];
}

const FIRST_DAY = Date.UTC(2026, 0, 1);
/** Between two evaluations of an organization. */
const STEP_MS = 6 * 3_600_000;

/** SQL for an id of UUID version 7 that rises with `time` (milliseconds) and is made unique by `number`. */
function uuid(time: string, kind: number, number: string): string {
  return `printf('%s-%s-7%03x-8%03x-%012x', substr(printf('%012x', ${time}), 1, 8), substr(printf('%012x', ${time}), 9, 4), ${kind}, 0, ${number})`;
}

/** SQL for 32 characters of Nix base 32. */
const HASH = "replace(lower(hex(randomblob(16))), 'e', 'z')";
const NAR_HASH = `'0' || substr(replace(lower(hex(randomblob(26))), 'e', 'z'), 1, 51)`;

const evaluationTime = (at: string): string => `(${FIRST_DAY} + (${at}) * ${STEP_MS})`;

const USAGE = JSON.stringify({
  cpuQuality: "exact",
  memoryQuality: "exact",
  wallMs: 5230,
  cpuUserMs: 4100,
  cpuSystemMs: 320,
  coresAverage: 0.85,
  memoryPeakBytes: 123_456_789,
  memoryRawPeakBytes: 223_456_789,
  memoryAverageBytes: 98_765_432,
  memoryLimitBytes: null,
  oomKills: 0,
  cpuThrottledMs: 0,
  ioReadBytes: 12_345,
  ioWriteBytes: 123_456,
  processesPeak: 23,
  phases: { prepareMs: 12, prefetchMs: 0, queueMs: 3, runMs: 5230, storeMs: 45 },
  source: "cgroup1+cgroup2",
  series: Array.from({ length: 10 }, (_, at) => ({
    atMs: at * 500,
    cpuMs: at * 440,
    memoryBytes: 100_000_000 + at,
  })),
} satisfies z.input<typeof usageRecordSchema>);

/**
 * Fills the migrated database of a coordinator that is not running: 1,000,000 builds with an attempt each, 5,000 evaluations, 100 organizations,
 * and 1,000,000 cached paths. `owner` becomes member of all organizations. Takes about a minute.
 */
export function fillLargeDatabase(file: string, owner: string): LargeDatabase {
  const db = new Database(file);
  try {
    db.pragma("synchronous = OFF");
    db.pragma("cache_size = -400000");
    db.pragma("foreign_keys = OFF");
    const fill = db.transaction((): CuirassNames => {
      makeNumbers(db);
      makeOrganizations(db, owner);
      makeEvaluations(db);
      makeBuilds(db);
      registerLater(db, () => makeLinks(db));
      makePaths(db);
      const names = fillCuirass(db);
      db.exec("drop table numbers");
      return names;
    });
    const cuirass = fill();
    db.pragma("wal_checkpoint(TRUNCATE)");
    return { ...findNames(db), ...cuirass };
  } finally {
    db.close();
  }
}

/** `numbers.i` counts from 0, `o` is the organization and `b` the build in it. */
function makeNumbers(db: Database.Database): void {
  db.exec(`
    create table numbers (i integer primary key, o integer, b integer);
    insert into numbers
      with recursive counted(i) as (select 0 union all select i + 1 from counted where i < ${TOTAL - 1})
      select i, i / ${BUILDS}, i % ${BUILDS} from counted;
  `);
}

function organizationId(o: string): string {
  return uuid(String(FIRST_DAY), 1, o);
}

function makeOrganizations(db: Database.Database, owner: string): void {
  const each = `from numbers where i < ${ORGANIZATIONS}`;
  db.exec(`
    insert into organizations (id, name, display_name, description, public, hide_build_requests, ssh_public_key, ssh_private_key, managed, created_by, created_at)
      select ${organizationId("i")}, 'org-' || i, 'Organization ' || i, '', i % 2, 0, 'ssh-ed25519 AAAA', '', 0, '${owner}', ${FIRST_DAY} + i ${each};
    insert into organization_members (organization_id, user_id, role)
      select ${organizationId("i")}, '${owner}', 'Admin' ${each};
    insert into caches (id, name, display_name, description, active, priority, public, max_storage_gb, managed, created_by, created_at, number)
      select ${uuid(String(FIRST_DAY), 2, "i")}, 'cache-' || i, 'Cache ' || i, '', 1, 40, i % 2, 0, 0, '${owner}', ${FIRST_DAY} + i, i ${each};
    insert into cache_keys (id, cache_id, key_name, public_key, private_key, state, is_complete, created_at)
      select id, id, 'farm-' || name, 'AAAA', '', 'active', 1, created_at from caches;
    insert into cache_members (cache_id, user_id, role)
      select ${uuid(String(FIRST_DAY), 2, "i")}, '${owner}', 'Admin' ${each};
    insert into cache_subscriptions (organization_id, cache_id, mode, created_at)
      select ${organizationId("i")}, ${uuid(String(FIRST_DAY), 2, "i")}, 'ReadWrite', ${FIRST_DAY} ${each};
    insert into projects (id, organization_id, name, display_name, description, repository, wildcard, active, managed, force_evaluation, sign_cache, keep_evaluations, concurrency, created_by, created_at)
      select ${uuid(String(FIRST_DAY), 3, "i")}, ${organizationId(`i / ${PROJECTS}`)}, 'project-' || (i % ${PROJECTS}), 'Project ' || i, '', 'https://example.org/project-' || i || '.git', '*', 1, 0, 0, 1, 30, 'soft_abort', '${owner}', ${FIRST_DAY} + i
      from numbers where i < ${ORGANIZATIONS * PROJECTS};
  `);
}

/** Of every tenth organization: one tag that all of its builds have, and one of each evaluation. */
const TAGS = `json_object('tags', json_object('REPOSITORY', 'acme/widgets', 'RUN', cast(b / ${BUILDS_PER_EVALUATION} as text)))`;

/** Evaluation `e` of organization `o` is number `o * EVALUATIONS + e`. */
function evaluationId(number: string): string {
  return uuid(evaluationTime(`(${number}) % ${EVALUATIONS}`), 4, number);
}

function makeEvaluations(db: Database.Database): void {
  const time = evaluationTime(`i % ${EVALUATIONS}`);
  const all = `from numbers where i < ${ORGANIZATIONS * EVALUATIONS}`;
  db.exec(`
    insert into commits (id, hash, message, author_name, author_email, created_at)
      select ${uuid(time, 5, "i")}, lower(hex(randomblob(20))), 'Change ' || i, 'Alice', 'alice@example.org', ${time} ${all};
    insert into evaluations (id, organization_id, project_id, repository, wildcard, commit_id, state, priority, unfinished_builds, tries, created_at, updated_at, finished_at)
      select ${evaluationId("i")}, ${organizationId(`i / ${EVALUATIONS}`)},
        ${uuid(String(FIRST_DAY), 3, `(i / ${EVALUATIONS}) * ${PROJECTS} + (i % ${PROJECTS})`)},
        'https://example.org/project.git', '*', ${uuid(time, 5, "i")}, case when i % 7 = 0 then 'Failed' else 'Completed' end, 0, 0, 0, ${time}, ${time} + 600000, ${time} + 600000 ${all};
    insert into evaluation_messages (evaluation_id, level, text, created_at)
      select ${evaluationId(`i / ${MESSAGES_PER_EVALUATION}`)}, case when i % 3 = 0 then 'Error' else 'Warning' end, 'message ' || i, ${FIRST_DAY}
      from numbers where i < ${ORGANIZATIONS * EVALUATIONS * MESSAGES_PER_EVALUATION};
    insert into jobs (evaluation_id, attribute_json, derivation_id, created_at)
      select ${evaluationId(`i / ${JOBS_PER_EVALUATION}`)}, '["packages","x86_64-linux","job-' || (i % ${JOBS_PER_EVALUATION}) || '"]',
        1 + (i / ${JOBS_PER_EVALUATION}) * ${BUILDS_PER_EVALUATION} + i % ${JOBS_PER_EVALUATION}, ${FIRST_DAY}
      from numbers where i < ${ORGANIZATIONS * EVALUATIONS * JOBS_PER_EVALUATION};
  `);
}

const OUTPUTS = `json_array(json_object('name', 'out', 'path', ${HASH} || '-package-' || b, 'narHash', ${NAR_HASH}, 'narSize', 12345))`;

function makeBuilds(db: Database.Database): void {
  const time = `(${evaluationTime(`b / ${BUILDS_PER_EVALUATION}`)} + b % ${BUILDS_PER_EVALUATION})`;
  // Every other block of an organization failed somewhere.
  const state = (failed: string, built: string): string =>
    `case when b % 50 = 7 then '${failed}' else '${built}' end`;
  db.exec(`
    insert into derivations (id, organization_id, drv_path, name, system, required_features_json, is_fixed_output, facts_json, created_at)
      select i + 1, ${organizationId("o")}, ${HASH} || '-package-' || b || '.drv', 'package-' || b, 'x86_64-linux', '[]', 0, case when o % 10 = 0 then ${TAGS} else '{}' end, ${time} from numbers;
    insert into derivation_outputs (derivation_id, name, path)
      select id, 'out', ${HASH} || '-' || name from derivations;
    insert into builds (id, organization_id, derivation_id, state, unmet_dependencies, priority, height, tries, created_at, updated_at, ready_at, assigned_at, started_at, stopped_at, stored_at)
      select i + 1, ${organizationId("o")}, i + 1, ${state("FailedPermanent", "Completed")}, 0, 0, 0, 0, ${time}, ${time} + 6000, ${time}, ${time} + 10, ${time} + 20, ${time} + 5250, ${time} + 6000 from numbers;
    insert into attempts (number, build_id, status, worker_id, created_at, assigned_at, started_at, stopped_at, stored_at, usage_json, cpu_time_ms, memory_peak_bytes, storage_peak_bytes, cpu_count, allocated_bytes, outputs_json, output_nar_bytes, log_bytes)
      select i + 1, i + 1, ${state("build_failed", "built")}, '11111111-1111-4111-8111-111111111111', ${time}, ${time} + 10, ${time} + 20, ${time} + 5250, ${time} + 6000, '${USAGE}', 4420, 123456789, 234567, 4, 2147483648, case when b % 50 = 7 then null else ${OUTPUTS} end, 12345, 0 from numbers;
  `);
  for (const distance of [1, 2, 7]) {
    db.exec(`
      insert into derivation_inputs (derivation_id, input_id, outputs_json)
        select i + 1, i + 1 - ${distance}, '["out"]' from numbers where b % ${BUILDS_PER_EVALUATION} >= ${distance};
    `);
  }
}

function makeLinks(db: Database.Database): void {
  const evaluation = `o * ${EVALUATIONS} + b / ${BUILDS_PER_EVALUATION}`;
  const last = `o * ${EVALUATIONS} + ${EVALUATIONS - 1}`;
  db.exec(`
    insert into evaluation_builds (id, evaluation_id, build_id)
      select ${uuid(evaluationTime(`b / ${BUILDS_PER_EVALUATION}`), 6, "i")}, ${evaluationId(evaluation)}, i + 1 from numbers;
    insert into evaluation_builds (id, evaluation_id, build_id)
      select ${uuid(evaluationTime(String(EVALUATIONS)), 7, "i")}, ${evaluationId(last)}, i + 1 from numbers
      where o < 1 and b < ${BUILDS - BUILDS_PER_EVALUATION};
  `);
}

function makePaths(db: Database.Database): void {
  db.exec(`
    insert into nar_objects (nar_hash, nar_size, file_hash, file_size, compression, found_hashes_json, created_at)
      select ${NAR_HASH}, 1000 + abs(random()) % 10000000, ${NAR_HASH}, 2345, 'zstd', '[]', ${FIRST_DAY} + i from numbers;
    insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, deriver, signatures_json, created_at, nar_size, file_size, cache_number, fetch_count)
      select ${uuid(String(FIRST_DAY), 2, `(nars.created_at - ${FIRST_DAY}) / ${BUILDS}`)}, substr(output.path, 1, 32), output.path, nars.nar_hash, '[]', null,
        '["farm-cache:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="]', nars.created_at, nars.nar_size, nars.file_size, (nars.created_at - ${FIRST_DAY}) / ${BUILDS}, 0
      from nar_objects as nars join derivation_outputs as output on output.derivation_id = nars.created_at - ${FIRST_DAY} + 1;
  `);
}

/** Rows of each kind that lie far from each other. */
const SAMPLES = 100;

function findNames(db: Database.Database): Omit<LargeDatabase, keyof CuirassNames> {
  const texts = (sql: string): string[] => db.prepare(sql).pluck().all().map(String);
  const spread = (from: string, total: number): string[] =>
    texts(`select id from ${from} order by id`).filter((_, at) => at % (total / SAMPLES) === 0);
  const [largeEvaluation = ""] = texts(`select ${evaluationId(String(EVALUATIONS - 1))}`);
  const [largeBuild = ""] = texts(
    `select id from evaluation_builds where evaluation_id = '${largeEvaluation}' and build_id = 5150`,
  );
  return {
    organizations: Array.from({ length: ORGANIZATIONS }, (_, at) => `org-${at}`),
    projects: Array.from({ length: PROJECTS }, (_, at) => `project-${at}`),
    caches: Array.from({ length: ORGANIZATIONS }, (_, at) => `cache-${at}`),
    evaluations: spread(
      "evaluations where project_id in (select id from projects where name like 'project-%')",
      ORGANIZATIONS * EVALUATIONS,
    ).filter((id) => id !== largeEvaluation),
    largeEvaluation,
    builds: texts(
      `select id from evaluation_builds where build_id % ${TOTAL / SAMPLES} = 100 group by build_id`,
    ),
    largeBuild,
    commits: spread("commits", ORGANIZATIONS * EVALUATIONS),
    attempts: texts(`select number from attempts where number % ${TOTAL / SAMPLES} = 100`),
    drvPaths: texts(`select drv_path from derivations where id % ${TOTAL / SAMPLES} = 100`),
    pathHashes: texts(
      `select hash_part from cache_paths where cache_id = ${uuid(String(FIRST_DAY), 2, "0")} limit ${SAMPLES}`,
    ),
  };
}
