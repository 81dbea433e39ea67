import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * Serves every Git repository below a directory by the git protocol, on loopback. Git's own daemon listens to none of it: it writes answers in small pieces into a socket that holds back
 * each until the one before is acknowledged, which takes a client's kernel 40 ms.
 */
export class GitServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async start(directory: string): Promise<GitServer> {
    await mkdir(directory, { recursive: true });
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      answer(socket, directory);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new GitServer(server, sockets);
  }

  url(name: string): string {
    return `git://127.0.0.1:${this.port}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function answer(socket: Socket, directory: string): void {
  const argv = ["daemon", "--inetd", "--export-all", `--base-path=${directory}`, directory];
  const { stdin, stdout } = spawn("git", argv, { stdio: ["pipe", "pipe", "ignore"] });
  for (const stream of [socket, stdin, stdout]) stream.on("error", () => socket.destroy());
  socket.pipe(stdin);
  stdout.pipe(socket);
}
