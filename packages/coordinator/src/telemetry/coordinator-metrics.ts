import { createHash, timingSafeEqual } from "node:crypto";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Traffic } from "../db/cache-traffic-repository.ts";
import type { FarmFigures } from "../ports.ts";
import { namedTraffic, type CacheNames } from "./named-traffic.ts";

/** Where figures are read when somebody asks for them. */
export interface MetricsSources {
  readonly farm: () => FarmFigures;
  /** By cache id, since the start. */
  readonly traffic: () => ReadonlyMap<string, Traffic>;
  readonly cacheNames: CacheNames;
}

export interface AnsweredRequest {
  method: string;
  /** Pattern of the route, so that there are few. */
  route: string;
  status: number;
  durationMs: number;
}

/** What an answer may take, in seconds. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Of requests that no route takes. */
const NO_ROUTE = "none";

/** The coordinator's metrics for Prometheus. Figures of the farm and of caches are read from their places when they are asked for. */
export class CoordinatorMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"method" | "route" | "status">;
  readonly #durations: Histogram<"area">;

  readonly #tokenHash: Buffer;

  constructor(sources: MetricsSources, { version, token }: { version: string; token: string }) {
    this.#tokenHash = hashOf(token);
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: "gradient_http_requests_total",
      help: "Answered requests by pattern of the route and class of the status.",
      labelNames: ["method", "route", "status"],
      registers,
    });
    this.#durations = new Histogram({
      name: "gradient_http_request_duration_seconds",
      help: "Time from a request's head to the end of its answer, by part of the server.",
      labelNames: ["area"],
      buckets: DURATIONS,
      registers,
    });
    new Gauge({
      name: "gradient_coordinator_info",
      help: "1; the label says the version.",
      labelNames: ["version"],
      registers,
    }).set({ version }, 1);
    addFarm(registers, sources.farm);
    addCaches(registers, sources);
  }

  /** Whether the token is the one that metrics are read with. */
  admits(token: string): boolean {
    return timingSafeEqual(hashOf(token), this.#tokenHash);
  }

  /** The content type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Counts an answer. */
  answered({ method, route, status, durationMs }: AnsweredRequest): void {
    const group = route === "" ? NO_ROUTE : route;
    this.#requests.inc({ method, route: group, status: `${Math.floor(status / 100)}xx` });
    this.#durations.observe({ area: areaOf(group) }, durationMs / 1000);
  }

  /** All metrics in the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** Of one length, whatever was sent. */
function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function areaOf(route: string): string {
  const area = /^\/(api|cache|proto|account)\//.exec(route)?.[1];
  return area ?? "other";
}

function addFarm(registers: Registry[], farm: () => FarmFigures): void {
  const gauge = (name: string, help: string, value: (figures: FarmFigures) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(farm()));
      },
    });
  gauge("gradient_workers_connected", "Workers with a session.", ({ workers }) => workers);
  gauge(
    "gradient_workers_draining",
    "Connected workers that take nothing new.",
    ({ drainingWorkers }) => drainingWorkers,
  );
  new Gauge({
    name: "gradient_queue_waiting",
    help: "What is ready and waits for a worker.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const [kind, count] of Object.entries(farm().waiting)) this.set({ kind }, count);
    },
  });
  new Gauge({
    name: "gradient_assignments",
    help: "What workers have been given.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const [kind, count] of Object.entries(farm().assignments)) this.set({ kind }, count);
    },
  });
  new Counter({
    name: "gradient_build_attempts_total",
    help: "Attempts at builds that have ended, by outcome, since the start.",
    labelNames: ["outcome"],
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of farm().endedAttempts) this.inc({ outcome }, count);
    },
  });
}

function addCaches(registers: Registry[], { traffic, cacheNames }: MetricsSources): void {
  const named = () => namedTraffic(traffic(), cacheNames);
  new Counter({
    name: "gradient_cache_narinfo_requests_total",
    help: "Paths that were asked for, in caches that have them (hit) and in others (miss).",
    labelNames: ["cache", "result"],
    registers,
    async collect() {
      const figures = await named();
      this.reset();
      for (const [cache, { hits, misses }] of figures) {
        this.inc({ cache, result: "hit" }, hits);
        this.inc({ cache, result: "miss" }, misses);
      }
    },
  });
  new Counter({
    name: "gradient_cache_nar_requests_total",
    help: "NARs, or parts of them, that were sent.",
    labelNames: ["cache"],
    registers,
    async collect() {
      const figures = await named();
      this.reset();
      for (const [cache, { narRequests }] of figures) this.inc({ cache }, narRequests);
    },
  });
  new Counter({
    name: "gradient_cache_nar_bytes_total",
    help: "Bytes of NARs that were sent, as they are stored.",
    labelNames: ["cache"],
    registers,
    async collect() {
      const figures = await named();
      this.reset();
      for (const [cache, { narBytes }] of figures) this.inc({ cache }, narBytes);
    },
  });
}
