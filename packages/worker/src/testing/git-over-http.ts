import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "../../../../scripts/lib/certificate.mjs";
import { startProcess } from "../process/start.ts";

/** Git's smart HTTP for everything below a directory, on loopback, by `git http-backend`; over TLS with a certificate. */
export class HttpGitServer implements AsyncDisposable {
  /** `user:password` that is asked for; null for none. */
  login: string | null = null;
  /** Answers everything with this status and a page instead. */
  status: number | null = null;
  readonly #directory: string;
  readonly #server: Server;
  readonly #scheme: "http" | "https";

  private constructor(directory: string, certificate: Certificate | null) {
    this.#directory = directory;
    this.#scheme = certificate === null ? "http" : "https";
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch(() => response.destroy());
    };
    this.#server = certificate === null ? createServer(serve) : createTlsServer(certificate, serve);
  }

  static async start(
    directory: string,
    certificate: Certificate | null = null,
  ): Promise<HttpGitServer> {
    const server = new HttpGitServer(directory, certificate);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization = "" } = request.headers;
    const given = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
    if (this.status !== null) {
      response.writeHead(this.status, { "content-type": "text/html" }).end("<html>Hello</html>");
    } else if (this.login !== null && given !== this.login) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
    } else {
      await this.#backend(request, response);
    }
  }

  async #backend(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const backend = await startProcess({
      command: "git",
      args: ["http-backend"],
      env: {
        PATH: "/usr/local/bin:/usr/bin:/bin",
        HOME: "/nonexistent",
        GIT_PROJECT_ROOT: this.#directory,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        REQUEST_METHOD: request.method ?? "GET",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      },
    });
    backend.stderr.resume();
    request.pipe(backend.stdin);
    const pieces: Buffer[] = [];
    for await (const piece of backend.stdout) pieces.push(piece as Buffer);
    const answer = Buffer.concat(pieces);
    const end = answer.indexOf("\r\n\r\n");
    const head = answer.subarray(0, end).toString("latin1").split("\r\n");
    let status = 200;
    for (const line of head) {
      const [, name = "", value = ""] = /^([^:]+): (.*)$/.exec(line) ?? [];
      if (name === "Status") status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status).end(answer.subarray(end + 4));
  }
}
