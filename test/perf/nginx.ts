import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { freePort, isListening } from "../support/ports.ts";
import { cpuOf } from "./cpu.ts";

/** nginx with one process, serving the files of a directory. */
export class Nginx implements AsyncDisposable {
  /** What it serves. */
  readonly files: string;
  readonly url: string;
  readonly #directory: string;
  readonly #daemon: Daemon;

  private constructor(directory: string, port: number, daemon: Daemon) {
    this.#directory = directory;
    this.#daemon = daemon;
    this.files = join(directory, "files");
    this.url = `http://127.0.0.1:${port}`;
  }

  /** `locations`: what stands in its `server` block beside the files. */
  static async start(locations = ""): Promise<Nginx> {
    const directory = await mkdtemp(join(tmpdir(), "gradient-nginx-"));
    // Its worker process is not root.
    await chmod(directory, 0o755);
    const port = await freePort();
    const conf = `
      daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
      events { worker_connections 1024; }
      http {
        access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=1000;
        client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/fastcgi;
        uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
        types { text/x-nix-narinfo narinfo; application/x-nix-nar zst; }
        server { listen 127.0.0.1:${port}; root ${directory}/files; ${locations} }
      }`;
    const file = join(directory, "nginx.conf");
    await writeFile(file, conf);
    const daemon = new Daemon("nginx", "nginx", ["-p", directory, "-c", file], process.env);
    await eventually("nginx to listen", 10_000, async () =>
      (await isListening(port)) ? true : null,
    );
    return new Nginx(directory, port, daemon);
  }

  /** CPU seconds of all its processes. */
  async cpuSeconds(): Promise<number> {
    const { own, children } = await cpuOf(this.#daemon.pid);
    return own + children;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
