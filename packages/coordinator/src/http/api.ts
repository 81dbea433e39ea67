import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { AccountServices } from "../accounts/account-services.ts";
import type { Authority } from "../auth/authority.ts";
import type { Maintenance } from "../collection/maintenance.ts";
import type { CacheContent } from "../caches/cache-content.ts";
import type { CacheDocuments } from "../caches/cache-documents.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import type { JobCounts } from "../cuirass/job-counts.ts";
import type { Database } from "../db/client.ts";
import type { CacheSurfaceView } from "../db/cache-surface-view.ts";
import type { CuirassBuildView } from "../db/cuirass-build-view.ts";
import type { CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import type { CuirassJobsetView } from "../db/cuirass-jobset-view.ts";
import type { NixbuildBuildView } from "../db/nixbuild-build-view.ts";
import type { NixbuildSumsView } from "../db/nixbuild-sums-view.ts";
import type { PageBuildsView } from "../db/page-builds-view.ts";
import type { PageJobsView } from "../db/page-jobs-view.ts";
import type { LastUse } from "../db/last-use.ts";
import type { StoredCacheSigner } from "../keys/cache-signer.ts";
import type { HttpUpstreams } from "../upstreams/http-upstream.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import type { MasterKey } from "../keys/master-key.ts";
import type { Logger } from "../logger.ts";
import type { OutboundClient } from "../outbound/outbound-client.ts";
import type {
  CacheUpkeep,
  Evaluations,
  Logs,
  NarStore,
  Repositories,
  Sources,
  QueueReads,
  WorkerLink,
} from "../ports.ts";
import type { ChunkedUploads } from "../intake/chunked-uploads.ts";
import type { SourceFiles } from "../storage/source-files.ts";
import type { CoordinatorMetrics } from "../telemetry/coordinator-metrics.ts";
import type { Lane } from "./lane.ts";
import type { RateLimits } from "./rate-limits/rate-limits.ts";
import type { RequestIds } from "./request-ids.ts";
import type { NarinfoLane } from "./routes/cache/narinfo-lane.ts";

/** Everything that routes are made of; each takes what it needs by name. */
export interface Services extends AccountServices {
  config: Config;
  /** Under which users reach this server; without a slash at the end. */
  serveUrl: string;
  /** Version of the coordinator's package. */
  version: string;
  database: Database;
  clock: Clock;
  logger: Logger;
  authority: Authority;
  masterKey: MasterKey;
  signer: StoredCacheSigner;
  nixbuildBuilds: NixbuildBuildView;
  nixbuildSums: NixbuildSumsView;
  cuirassBuilds: CuirassBuildView;
  cuirassEvaluations: CuirassEvaluationView;
  cuirassJobsets: CuirassJobsetView;
  jobCounts: JobCounts;
  pageBuilds: PageBuildsView;
  pageJobs: PageJobsView;
  lastUse: LastUse;
  surface: CacheSurfaceView;
  /** Asks addresses that users gave. */
  outbound: OutboundClient;
  requestIds: RequestIds;
  rateLimits: RateLimits;
  narinfoLane: NarinfoLane;
  /** What answers before the router, in the order in which they are asked. */
  lanes: readonly Lane[];
  evaluations: Evaluations;
  workers: WorkerLink;
  queue: QueueReads;
  repositories: Repositories;
  logs: Logs;
  nars: NarStore;
  /** Garbage collections and checks of what is stored. */
  maintenance: Maintenance;
  /** What users put into caches and take out of them. */
  content: CacheContent;
  sources: Sources;
  upkeep: CacheUpkeep;
  /** null when nobody is to read them. */
  metrics: CoordinatorMetrics | null;
  sourceFiles: SourceFiles;
  /** NARs of sources that come in chunks, by user. */
  sourceUploads: ChunkedUploads;
  documents: CacheDocuments;
  upstreams: Upstreams;
  httpUpstreams: HttpUpstreams;
  /** Stops giving out work, or begins again. */
  setDraining: (isOn: boolean) => Promise<void>;
  /** Aborts when the server stops: long answers end then. */
  stopping: AbortSignal;
}

/** A fastify instance whose routes are typed by their zod schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** One route (or one path's few routes) of the API. */
export type Route = (api: Api, services: Services) => void;

/** One route of the binary cache; its answers have no envelope and no schema. */
export type CacheRoute = (app: Server, services: Services) => void;

export type Server = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse>;
