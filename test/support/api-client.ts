import { request } from "undici";
import { DescribedAnswers } from "./described-answers.ts";

/** An answer with `error: true`, or no answer in the envelope at all. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface EvaluationView {
  id: string;
  status: string;
  commit: string;
  error: string | null;
  error_count: number;
  /** Only while the status is Waiting. */
  waiting_reason?: { kind: string };
  entry_points: { id: string; eval: string; build_status: string }[];
}

export interface BuildItem {
  id: string;
  name: string;
  status: string;
  build_time_ms: number | null;
  cpu_time_ms: number | null;
  peak_memory_bytes: number | null;
}

export interface BuildView {
  id: string;
  status: string;
  derivation_path: string;
  worker: string | null;
  attempt: number | null;
  output: Record<string, string>;
  usage: {
    cpuQuality: string;
    memoryQuality: string;
    wallMs: number;
    cpuUserMs: number | null;
    cpuSystemMs: number | null;
    memoryPeakBytes: number | null;
    source: string;
  } | null;
}

export function hasEnded(view: EvaluationView): boolean {
  return ["Completed", "Failed", "Aborted"].includes(view.status);
}

/** Speaks Gradient's API as a user's script would, and holds every answer against the OpenAPI document that the server serves. */
export class ApiClient {
  readonly url: string;
  token: string | null = null;
  readonly answers: DescribedAnswers;

  constructor(url: string) {
    this.url = url;
    this.answers = new DescribedAnswers(url);
  }

  /** Calls `/api/v1<path>` and resolves to the envelope's message. Throws ApiError for everything else. */
  async call<T>(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<T> {
    const response = await request(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.body.text();
    const envelope = parseEnvelope(response.statusCode, text);
    await this.answers.check(method, path, response, text);
    if (envelope.error)
      throw new ApiError(response.statusCode, envelope.code ?? "", String(envelope.message));
    return envelope.message as T;
  }

  async login(loginname: string, password: string): Promise<void> {
    this.token = await this.call<string>("POST", "/auth/basic/login", { loginname, password });
  }

  evaluation(id: string): Promise<EvaluationView> {
    return this.call("GET", `/evals/${id}`);
  }

  async builds(evaluation: string): Promise<BuildItem[]> {
    const page = await this.call<{ builds: BuildItem[] }>("GET", `/evals/${evaluation}/builds`);
    return page.builds;
  }

  build(id: string): Promise<BuildView> {
    return this.call("GET", `/builds/${id}`);
  }

  /** The build of an evaluation whose derivation has this name (`<hash>-<name>.drv`). */
  async buildNamed(evaluation: string, name: string): Promise<BuildView> {
    const item = (await this.builds(evaluation)).find(
      (build) => build.name.slice(33).replace(/\.drv$/, "") === name,
    );
    if (item === undefined) throw new Error(`evaluation ${evaluation} has no build of ${name}`);
    return this.build(item.id);
  }

  /** Waits until the evaluation has ended. `onChange` is called with every view that differs from the one before. */
  async ended(
    id: string,
    timeoutMs: number,
    onChange?: (view: EvaluationView) => void,
  ): Promise<EvaluationView> {
    let last = "";
    return eventually(`evaluation ${id} to end`, timeoutMs, async () => {
      const view = await this.evaluation(id);
      const text = JSON.stringify(view);
      if (text !== last) onChange?.(view);
      last = text;
      return hasEnded(view) ? view : null;
    });
  }
}

function parseEnvelope(
  status: number,
  text: string,
): { error: boolean; code?: string; message: unknown } {
  try {
    return JSON.parse(text) as { error: boolean; code?: string; message: unknown };
  } catch {
    throw new ApiError(
      status,
      "no-envelope",
      `HTTP ${status} without the envelope: ${text.slice(0, 200)}`,
    );
  }
}

/** Asks again every 50 ms until there is an answer that is not null; throws what was waited for after the deadline. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | null>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
