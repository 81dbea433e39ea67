import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import {
  createServer,
  request as ask,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import S3rver from "s3rver";
import type { BucketLocation } from "../config/object-store.ts";

const BUCKET = "nars";
/** Any secret passes: this server reads signatures and does not check them. */
export const TEST_CREDENTIALS = { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" };

/** What goes wrong with a request; null when nothing does. */
export type Fault =
  | { kind: "status"; status: number }
  | { kind: "silence" }
  | { kind: "breaks-after"; bytes: number }
  | { kind: "stalls-after"; bytes: number };

/**
 * A real S3 server behind a front that holds conditions, which the server ignores, and does what a test wants to go wrong. Requests are kept
 * without their bodies.
 */
export class TestS3 implements AsyncDisposable {
  readonly url: string;
  readonly requests: { method: string; url: string; headers: IncomingMessage["headers"] }[] = [];
  fault: (request: IncomingMessage) => Fault | null = () => null;
  readonly #stop: () => Promise<void>;

  private constructor(front: Server, backPort: number, stop: () => Promise<void>) {
    this.url = `http://127.0.0.1:${portOf(front)}`;
    this.#stop = stop;
    front.on("request", (request, response) => {
      this.requests.push({
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
      });
      this.#answer(request, response, backPort).catch(() => response.destroy());
    });
  }

  static async start(): Promise<TestS3> {
    const directory = await mkdtemp(join(tmpdir(), "s3-"));
    const server = new S3rver({
      port: 0,
      address: "127.0.0.1",
      silent: true,
      directory,
      configureBuckets: [{ name: BUCKET, configs: [] }],
    });
    const { port } = await server.run();
    const front = createServer().listen(0, "127.0.0.1");
    await once(front, "listening");
    return new TestS3(front, port, async () => {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
      await server.close();
      await rm(directory, { recursive: true });
    });
  }

  location(prefix: string, bucket = BUCKET): BucketLocation {
    return { bucket, prefix, endpoint: this.url, region: "us-east-1" };
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    backPort: number,
  ): Promise<void> {
    const fault = this.fault(request);
    if (fault?.kind === "silence") return;
    if (fault?.kind === "status") {
      request.resume();
      response.writeHead(fault.status).end();
      return;
    }
    const { method, url: path, headers } = request;
    const options = { host: "127.0.0.1", port: backPort, method, path, headers };
    if (!(await holds(options))) {
      request.resume();
      response.writeHead(412, { "content-type": "application/xml" });
      response.end("<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>");
      return;
    }
    const back = ask(options);
    await pipeline(request, back, { end: false });
    back.end();
    const [answer] = (await once(back, "response")) as [IncomingMessage];
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    if (fault === null) await pipeline(answer, response);
    else await sendSome(answer, response, fault);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

async function sendSome(
  answer: IncomingMessage,
  response: ServerResponse,
  fault: { kind: "breaks-after" | "stalls-after"; bytes: number },
): Promise<void> {
  let left = fault.bytes;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    await new Promise((resolve) => response.write(part, resolve));
    if (left > 0) continue;
    if (fault.kind === "breaks-after") response.destroy();
    return;
  }
}

/** Whether a request's conditions hold. */
async function holds(
  options: RequestOptions & { headers: IncomingMessage["headers"] },
): Promise<boolean> {
  const { "if-none-match": absent, "if-match": same, ...headers } = options.headers;
  if (absent === undefined && same === undefined) return true;
  for (const name of ["content-length", "transfer-encoding", "expect", "range"]) {
    delete headers[name];
  }
  const path = (options.path ?? "").split("?", 1)[0];
  const looked = ask({ ...options, method: "HEAD", path, headers }).end();
  const [answer] = (await once(looked, "response")) as [IncomingMessage];
  answer.resume();
  const { statusCode: status } = answer;
  if (status !== 200 && status !== 404) throw new Error(`the server answers HEAD with ${status}`);
  return absent === undefined ? status === 200 && answer.headers.etag === same : status === 404;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}
