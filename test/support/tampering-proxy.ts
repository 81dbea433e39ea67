import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type AddressInfo } from "node:net";
import { Transform, type Duplex } from "node:stream";

/** Flips one bit of each body that it passes on. */
class BitFlip extends Transform {
  private done = false;

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    callback: (error: Error | null, data: Buffer) => void,
  ): void {
    if (!this.done && chunk.length > 0) {
      this.done = true;
      const at = chunk.length >> 1;
      chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
    }
    callback(null, chunk);
  }
}

/** Stands between a worker and its coordinator and damages every NAR on its way up, as a broken network card would. */
export class TamperingProxy implements AsyncDisposable {
  private readonly server: Server;
  /** Upgraded connections, which the server no longer knows. */
  private readonly sockets = new Set<Duplex>();
  tampered = 0;

  private readonly target: number;

  private constructor(target: number) {
    this.target = target;
    this.server = createServer((incoming, outgoing) => this.forward(incoming, outgoing));
    this.server.on("upgrade", (incoming, socket, head) => {
      const upstream = connect(this.target, "127.0.0.1", () => {
        const headers = incoming.rawHeaders.reduce(
          (text, value, index) => text + value + (index % 2 === 0 ? ": " : "\r\n"),
          "",
        );
        upstream.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${headers}\r\n`);
        upstream.write(head);
        upstream.pipe(socket).pipe(upstream);
      });
      for (const end of [upstream, socket]) this.sockets.add(end);
      for (const end of [upstream, socket])
        end.on("error", () => (upstream.destroy(), socket.destroy()));
    });
  }

  static async start(target: number): Promise<TamperingProxy> {
    const proxy = new TamperingProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url, headers } = incoming;
    const upstream = request(
      { host: "127.0.0.1", port: this.target, method, path: url, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    upstream.on("error", () => outgoing.destroy());
    const damages = method === "PUT" && (url ?? "").startsWith("/proto/nar");
    if (damages) this.tampered += 1;
    (damages ? incoming.pipe(new BitFlip()) : incoming).pipe(upstream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
