import type { PageView } from "./views/page-view.ts";
import type { BuildStatus } from "./parts/status.ts";
import type { BuildView } from "./views/build.ts";
import type { BuildRow } from "./views/build-row.ts";
import type { DashboardView } from "./views/dashboard.ts";
import type { EvaluationView } from "./views/evaluation.ts";
import type { Frame } from "./views/frame.ts";
import type { HomeView } from "./views/home.ts";
import type { JobsetView } from "./views/jobset.ts";
import type { LogView } from "./views/log.ts";
import type { MetricsView } from "./views/metrics.ts";
import type { StatusView } from "./views/status.ts";
import type { WorkerRow } from "./views/workers.ts";

/** One view of each page with something of everything that it can show. */

/** 2026-11-30T11:00:00Z */
const NOW = 1_796_036_400_000;
const MINUTE = 60_000;

export const HOSTILE = `<script>alert("x")</script>'&`;

export const sampleFrame: Frame = {
  now: NOW,
  version: "1.2.3",
  user: null,
  token: null,
  path: "/",
  assets: { style: "/static/style.css", script: "/static/script.js", icon: "/static/icon.svg" },
};

const counts = {
  succeeded: 412,
  failed: 7,
  newlyFailed: 2,
  running: 3,
  scheduled: 31,
  canceled: 1,
};
const commit = {
  hash: "c0ffee".padEnd(40, "1"),
  subject: "hello: 2.12 -> 2.13",
  url: "https://forge.example/acme/tools/commit/c0ffee",
};
const previousCommit = { ...commit, hash: "beef".padEnd(40, "2"), subject: "zlib: fix the build" };

const home: HomeView = {
  kind: "home",
  isSignedIn: false,
  jobsets: [
    {
      name: "acme.tools",
      description: "What we use ourselves",
      repository: "https://forge.example/acme/tools.git",
      isActive: true,
      newest: {
        number: 42,
        state: "building",
        startedAt: NOW - 12 * MINUTE,
        commit: commit.hash,
        counts,
        fixed: 4,
      },
      checkError: null,
    },
    {
      name: "acme.nixpkgs-unstable-with-a-rather-long-name",
      description: "",
      repository: "https://forge.example/acme/nixpkgs.git",
      isActive: true,
      newest: {
        number: 39,
        state: "completed",
        startedAt: NOW - 3000 * MINUTE,
        commit: previousCommit.hash,
        counts: { ...counts, running: 0, scheduled: 0, failed: 0, newlyFailed: 0, canceled: 0 },
        fixed: 0,
      },
      checkError: null,
    },
    {
      name: "acme.new",
      description: HOSTILE,
      repository: "https://forge.example/acme/new.git",
      isActive: false,
      newest: null,
      checkError: HOSTILE,
    },
  ],
};

const jobset: JobsetView = {
  kind: "jobset",
  name: "acme.tools",
  displayName: "Our tools",
  description: "What we use ourselves",
  repository: "https://forge.example/acme/tools.git",
  pattern: "packages.*.*",
  isActive: true,
  systems: ["x86_64-linux", "aarch64-linux"],
  checkedAt: NOW - MINUTE,
  checkError: null,
  newest: 42,
  evaluations: [
    { number: 42, state: "building", commit, startedAt: NOW - 12 * MINUTE, endedAt: null, counts },
    {
      number: 41,
      state: "completed",
      commit: previousCommit,
      startedAt: NOW - 300 * MINUTE,
      endedAt: NOW - 250 * MINUTE,
      counts: { ...counts, newlyFailed: 0, running: 0, scheduled: 0 },
    },
  ],
  pages: { newer: null, older: "/jobset/acme.tools?before=41" },
  live: "/api/v1/projects/acme/tools/live",
};

const STATUSES: readonly BuildStatus[] = [
  "succeeded",
  "failed",
  "failed-dependency",
  "failed-other",
  "canceled",
  "started",
  "scheduled",
];

const isOver = (status: BuildStatus): boolean => !["started", "scheduled"].includes(status);

const builds: BuildRow[] = STATUSES.map((status, at) => ({
  number: 900 + at,
  status,
  weather: status === "failed" ? "new-failure" : status === "succeeded" ? "new-success" : "unknown",
  job: at === 3 ? `${HOSTILE}.x86_64-linux` : `tool-${at}.x86_64-linux`,
  name: `tool-${at}-1.${at}`,
  jobset: "acme.tools",
  system: "x86_64-linux",
  startedAt: status === "scheduled" ? null : NOW - 9 * MINUTE,
  stoppedAt: isOver(status) ? NOW - 2 * MINUTE : null,
}));

export const evaluation: EvaluationView = {
  kind: "evaluation",
  number: 42,
  jobset: "acme.tools",
  state: "building",
  waitsFor: null,
  startedBy: "a push to refs/heads/main",
  commit,
  previousCommit,
  rangeUrl: "https://forge.example/acme/tools/compare/beef...c0ffee",
  createdAt: NOW - 12 * MINUTE,
  phases: [
    { name: "fetch", from: NOW - 12 * MINUTE, to: NOW - 11.9 * MINUTE },
    { name: "evaluation", from: NOW - 11.9 * MINUTE, to: NOW - 10 * MINUTE },
    { name: "builds", from: NOW - 11 * MINUTE, to: null },
  ],
  endedAt: null,
  previous: 41,
  next: 43,
  counts,
  messages: [
    {
      level: "error",
      attribute: "packages.x86_64-linux.bad",
      text: "error: undefined variable 'foo'\nat default.nix:3",
    },
    { level: "warning", attribute: null, text: `trace: ${HOSTILE}` },
  ],
  difference: {
    previous: 41,
    groups: [
      { what: "new", count: 1, jobs: [{ job: "fresh.x86_64-linux", build: 930 }] },
      { what: "fixed", count: 4, jobs: [{ job: "tool-0.x86_64-linux", build: 900 }] },
      {
        what: "broken",
        count: 2,
        jobs: [
          { job: "tool-1.x86_64-linux", build: 901 },
          { job: `${HOSTILE}.x86_64-linux`, build: 903 },
        ],
      },
      { what: "gone", count: 0, jobs: [] },
    ],
  },
  tab: "all",
  builds,
  pages: { newer: null, older: "/eval/42?after=906" },
  live: "/api/v1/evals/019a0000-0000-7000-8000-000000000001/live",
};

export function dashboardOf(jobs: number): DashboardView {
  return {
    kind: "dashboard",
    evaluation: 42,
    jobset: "acme.tools",
    state: "building",
    dashboard: null,
    names: null,
    systems: ["aarch64-linux", "x86_64-linux"],
    system: null,
    filter: "",
    jobs: Array.from({ length: jobs }, (_, at) => {
      const status = STATUSES[at % 11] ?? "succeeded";
      return {
        job: at === 3 ? `${HOSTILE}.x86_64-linux` : `tool-${at}.x86_64-linux`,
        build: 1000 + at,
        status,
        duration: isOver(status) ? 1000 * at + 321 : null,
      };
    }),
    previous: 41,
    next: 43,
    live: "/api/v1/evals/019a0000-0000-7000-8000-000000000001/live",
  };
}

export const build: BuildView = {
  kind: "build",
  number: 901,
  evaluation: 42,
  jobset: "acme.tools",
  job: "tool-1.x86_64-linux",
  name: "tool-1-1.1",
  status: "failed",
  weather: "new-failure",
  system: "x86_64-linux",
  derivation: "/nix/store/0c4mxbhqyhgdpqb0cmd0qqlnlqy0f7kd-tool-1-1.1.drv",
  message: `builder for 'tool-1-1.1' failed with exit code 2\n${HOSTILE}`,
  waitsFor: null,
  createdAt: NOW - 12 * MINUTE,
  readyAt: NOW - 10 * MINUTE,
  startedAt: NOW - 9 * MINUTE,
  stoppedAt: NOW - 2 * MINUTE,
  worker: { id: "550e8400-e29b-41d4-a716-446655440001", name: "builder-1" },
  hasLog: true,
  outputs: [
    { name: "out", path: "/nix/store/1c4mxbhqyhgdpqb0cmd0qqlnlqy0f7kd-tool-1-1.1" },
    { name: "doc", path: null },
  ],
  products: [{ number: 5, type: "ISO-9660", name: "image.iso", sizeBytes: 734_003_200 }],
  usage: {
    cpuQuality: "exact",
    memoryQuality: "sampled",
    cpuUserMs: 800_000,
    cpuSystemMs: 31_000,
    coresAverage: 1.98,
    coresLimit: 4,
    memoryPeakBytes: 1_400_000_000,
    memoryAverageBytes: 700_000_000,
    memoryLimitBytes: 2_147_483_648,
    oomKills: 0,
    ioReadBytes: 12_000_000,
    ioWriteBytes: 450_000_000,
    storagePeakBytes: 900_000_000,
    receivedBytes: 33_000_000,
    sentBytes: null,
    processesPeak: 19,
    cpuPressureMs: 2000,
    memoryPressureMs: 0,
    ioPressureMs: 812,
    series: Array.from({ length: 60 }, (_, at) => ({
      atMs: at * 7000,
      cpuMs: at * 7000 * 1.9 + Math.sin(at / 4) * 9000,
      memoryBytes: at === 20 ? null : 300_000_000 + Math.abs(Math.sin(at / 9)) * 1_100_000_000,
    })),
  },
  attempts: [
    {
      number: 12,
      status: "build failed",
      worker: { id: "550e8400-e29b-41d4-a716-446655440001", name: "builder-1" },
      startedAt: NOW - 9 * MINUTE,
      stoppedAt: NOW - 2 * MINUTE,
      cpuMs: 831_000,
      memoryBytes: 1_400_000_000,
      message: "exit code 2",
    },
    {
      number: 10,
      status: "out of memory",
      worker: null,
      startedAt: NOW - 11 * MINUTE,
      stoppedAt: NOW - 10 * MINUTE,
      cpuMs: null,
      memoryBytes: null,
      message: null,
    },
  ],
  dependencies: [
    { name: "zlib-1.3", build: 850, status: "succeeded" },
    { name: HOSTILE, build: null, status: "succeeded" },
  ],
  dependencyCount: 30,
  change: { commit, previous: previousCommit, rangeUrl: "https://forge.example/compare" },
  firstFailure: { build: 901, evaluation: 42 },
  history: [
    {
      number: 901,
      evaluation: 42,
      status: "failed",
      startedAt: NOW - 9 * MINUTE,
      stoppedAt: NOW - 2 * MINUTE,
      cpuMs: 831_000,
      memoryBytes: 1_400_000_000,
    },
    {
      number: 801,
      evaluation: 41,
      status: "succeeded",
      startedAt: NOW - 290 * MINUTE,
      stoppedAt: NOW - 280 * MINUTE,
      cpuMs: 799_000,
      memoryBytes: null,
    },
  ],
  live: "/api/v1/evals/019a0000-0000-7000-8000-000000000001/live",
};

export const log: LogView = {
  kind: "log",
  number: 901,
  evaluation: 42,
  jobset: "acme.tools",
  title: "tool-1.x86_64-linux",
  status: "failed",
  text: [
    "these come before any phase",
    "Running phase: unpackPhase",
    "unpacking source archive /nix/store/xyz-source",
    "Running phase: buildPhase",
    "cc -O2 -c main.c",
    "\u001b[1m\u001b[31mmain.c:3:1: error:\u001b[0m unknown type name \u001b[1mint8\u001b[0m",
    HOSTILE,
    "\u001b[38;5;208mwarning:\u001b[0m 1 of 3 tests were skipped",
  ].join("\n"),
  skippedBytes: 0,
  follow: null,
};

const worker: WorkerRow = {
  id: "550e8400-e29b-41d4-a716-446655440001",
  name: "builder-1",
  organization: "Acme",
  state: "connected",
  systems: ["x86_64-linux"],
  features: ["kvm", "big-parallel"],
  slots: 8,
  lastSeenAt: NOW - 2000,
  builds: [
    { number: 905, name: "tool-5-1.5", startedAt: NOW - 9 * MINUTE, expectedMs: 15 * MINUTE },
    {
      number: null,
      name: "a build of another organization",
      startedAt: NOW - MINUTE,
      expectedMs: null,
    },
  ],
};

const status: StatusView = {
  kind: "status",
  waiting: 12,
  running: worker.builds.map((running) => ({
    ...running,
    jobset: running.number === null ? null : "acme.tools",
    system: "x86_64-linux",
    worker,
  })),
};

const DAY = 86_400_000;

const metrics: MetricsView = {
  kind: "metrics",
  evaluations: Array.from({ length: 20 }, (_, at) => ({
    number: 23 + at,
    evaluationMs: 60_000 + 20_000 * Math.sin(at),
    totalMs: at === 19 ? null : 1_200_000 + 600_000 * Math.cos(at / 2),
  })),
  days: Array.from({ length: 30 }, (_, at) => ({
    at: NOW - (NOW % DAY) - (29 - at) * DAY,
    succeeded: 300 + ((at * 37) % 120),
    failed: (at * 7) % 23,
    cpuMs: 40_000_000 + ((at * 911_000) % 9_000_000),
  })),
  machines: [{ id: worker.id, name: worker.name, builds: 311, busyMs: 40_000_000 }],
  pending: 31,
  endedToday: 484,
  perHour: 44.3,
  failedEvaluations: 1,
};

/** By what the page is called. */
export const sampleViews: Readonly<Record<string, PageView>> = {
  home,
  nothing: { kind: "home", isSignedIn: false, jobsets: [] },
  jobset,
  evaluation,
  dashboard: dashboardOf(700),
  build,
  log,
  search: { kind: "search", query: `tool ${HOSTILE}`, builds, pages: { newer: null, older: null } },
  workers: {
    kind: "workers",
    isSignedIn: true,
    workers: [
      worker,
      { ...worker, id: `${worker.id}2`, name: "builder-2", state: "away", slots: null, builds: [] },
    ],
  },
  machine: {
    kind: "machine",
    worker,
    builds,
    hours: Array.from({ length: 24 }, (_, at) => ({
      at: NOW - (23 - at) * 60 * MINUTE,
      succeeded: (at * 5) % 17,
      failed: at % 3,
    })),
  },
  status,
  metrics,
  failure: { kind: "failure", title: "There is no such page", message: `there is no ${HOSTILE}` },
  form: {
    kind: "form",
    title: "Sign in",
    width: "narrow",
    html: '<form method="post"><label>Name <input name="loginname" /></label><button>Go on</button></form>',
  },
};
