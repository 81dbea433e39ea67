import { request } from "undici";
import { z } from "zod";
import { evaluation, evaluationBuilds, messages, namedPage, received } from "./client-schemas.ts";
import { ApiError, eventually } from "./api-client.ts";
import { DescribedAnswers } from "./described-answers.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
/** A body: JSON of a value, bytes, or none; without one the client names no content type. */
type Body = { json: unknown } | { bytes: Buffer } | undefined;

/** Of a request and the whole of its answer. */
const DEADLINE_MS = 30_000;
/** Longer lines of a stream of logs end the client. */
const MAX_LINE_BYTES = 1_024_000;
const SLICE_BYTES = 32 * 1024 * 1024;

/** The server answered 401, whatever else it said. */
export class NotLoggedInError extends Error {
  override name = "NotLoggedInError";
}

/** What is said of a NAR in a cache. */
export interface NarFields {
  store_path: string;
  file_hash: string;
  file_size: number;
  nar_hash: string;
  nar_size: number;
  references: string[];
  deriver: string | null;
}

/**
 * Gradient's command line client 1.3.0, played: this is a program of ours that makes that client's requests and decodes answers by its rules, not
 * the client itself.
 */
export class CommandLineClient {
  readonly server: string;
  token: string | null = null;
  private readonly answers: DescribedAnswers;

  /** `server` as a user writes it. */
  constructor(server: string) {
    this.server = server.replace(/\/+$/, "");
    this.answers = new DescribedAnswers(this.server);
  }

  /** Resolves to the envelope's message. The status is only looked at for 401. */
  async call<T>(method: Method, path: string, message: z.ZodType<T>, body?: Body): Promise<T> {
    const { statusCode, bytes } = await this.send(method, path, body);
    const text = bytes.toString();
    const known = z.object({ error: z.literal(false), message }).safeParse(parsed(text));
    if (known.success) return known.data.message;
    const refusal = z
      .object({ error: z.literal(true), code: z.string().optional(), message: z.string() })
      .safeParse(parsed(text));
    if (!refusal.success) {
      throw new Error(`${method} ${path}: cannot be decoded: ${text}`, { cause: known.error });
    }
    throw new ApiError(statusCode, refusal.data.code ?? "", refusal.data.message);
  }

  /** An answer whose message nobody reads. */
  tell(method: Method, path: string, json?: unknown): Promise<string> {
    return this.call(method, path, z.string(), json === undefined ? undefined : { json });
  }

  /** An answer without an envelope. Everything but 2xx is an error. */
  async bytes(method: Method, path: string): Promise<Buffer> {
    const { statusCode, bytes } = await this.send(method, path);
    if (statusCode >= 200 && statusCode < 300) return bytes;
    throw new ApiError(statusCode, "", bytes.toString());
  }

  /** The lines of a stream, decoded. */
  async lines(method: Method, path: string): Promise<unknown[]> {
    const text = (await this.bytes(method, path)).toString();
    const lines = text.split("\n").filter((line) => line !== "");
    const long = lines.find((line) => Buffer.byteLength(line) > MAX_LINE_BYTES);
    if (long !== undefined) throw new Error("a line of the stream is too long");
    return lines.map((line) => JSON.parse(line) as unknown);
  }

  /** `login <url> -u -p`. Resolves to the organization that gets selected: the only one. */
  async login(loginname: string, password: string): Promise<string | null> {
    const json = { loginname, password };
    this.token = await this.call("POST", "auth/basic/login", z.string(), { json });
    return this.onlyOrganization();
  }

  async onlyOrganization(): Promise<string | null> {
    const { items } = await this.call("GET", "orgs", namedPage);
    return items.length === 1 ? (items[0]?.name ?? null) : null;
  }

  /** `logs <eval>`: the stream of all logs beside the messages. */
  async logs(id: string): Promise<string> {
    const [lines] = await Promise.all([
      this.lines("POST", `evals/${id}/builds`),
      this.call("GET", `evals/${id}/messages`, messages),
    ]);
    return lines.map((line) => z.string().parse(line)).join("");
  }

  /** `watch <eval>`: the stream, and the evaluation until it has ended. Resolves to its last status and all text. */
  async watch(id: string): Promise<{ status: string; log: string; total: number }> {
    await this.call("GET", `evals/${id}`, evaluation);
    const log = this.logs(id);
    const ended = eventually(`evaluation ${id} to end`, 120_000, async () => {
      const { status } = await this.call("GET", `evals/${id}`, evaluation);
      const { total } = await this.call("GET", `evals/${id}/builds`, evaluationBuilds);
      await this.call("GET", `evals/${id}/messages`, messages);
      return ["Completed", "Failed", "Aborted"].includes(status) ? { status, total } : null;
    });
    const [last, text] = await Promise.all([ended, log]);
    return { ...last, log: text };
  }

  /** `cache upload` of one path: its file in slices, and what is to be known about it. */
  async uploadNar(cache: string, file: Buffer, fields: NarFields): Promise<unknown> {
    const hash = fields.store_path.replace("/nix/store/", "").slice(0, 32);
    const nar = `caches/${cache}/nars/${hash}`;
    for (let offset = 0; offset < file.length;) {
      const slice = { bytes: file.subarray(offset, offset + SLICE_BYTES) };
      const answer = await this.call("PUT", `${nar}/chunk?offset=${offset}`, received, slice);
      if (answer.received <= offset) throw new Error("the server takes no more of the file");
      offset = answer.received;
    }
    return this.call("POST", `${nar}/finalize`, z.unknown(), { json: fields });
  }

  private async send(
    method: Method,
    path: string,
    body?: Body,
  ): Promise<{ statusCode: number; bytes: Buffer }> {
    const answer = await request(`${this.server}/api/v1/${path}`, {
      method,
      headers: {
        "user-agent": "gradient-cli/1.3.0",
        ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
        ...contentType(body),
      },
      body: body === undefined ? null : "json" in body ? JSON.stringify(body.json) : body.bytes,
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    await this.answers.check(method, `/${path}`, answer, bytes.toString());
    if (answer.statusCode !== 401) return { statusCode: answer.statusCode, bytes };
    throw new NotLoggedInError(`${method} ${path}`);
  }
}

function contentType(body: Body): Record<string, string> {
  if (body === undefined) return {};
  return { "content-type": "json" in body ? "application/json" : "application/octet-stream" };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
