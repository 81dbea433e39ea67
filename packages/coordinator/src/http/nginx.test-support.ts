import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LISTEN_MS = 15_000;

/** A real nginx with one `server` block on a free port. `server` is what stands in the block. */
export class TestNginx implements AsyncDisposable {
  readonly url: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.url = url;
    this.#stop = stop;
  }

  static async start(server: string): Promise<TestNginx> {
    const directory = await mkdtemp(join(tmpdir(), "nginx-"));
    // Its worker process is not root.
    await chmod(directory, 0o755);
    const port = await freePort();
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${directory}/${name};`)
      .join(" ");
    await writeFile(
      join(directory, "nginx.conf"),
      `daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr notice;
      events { worker_connections 64; }
      http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; ${server} } }`,
    );
    const argv = ["-p", directory, "-c", join(directory, "nginx.conf")];
    const nginx = spawn("nginx", argv, { stdio: ["ignore", "ignore", "pipe"] });
    const exited = once(nginx, "exit");
    const stop = async () => {
      nginx.kill();
      await exited;
      await rm(directory, { recursive: true });
    };
    // It says so once it listens and has its worker.
    let output = "";
    for await (const text of nginx.stderr
      .setEncoding("utf8")
      .iterator({ destroyOnReturn: false })) {
      output += String(text);
      if (output.includes("start worker process ")) break;
    }
    nginx.stderr.resume();
    if (!output.includes("start worker process ")) {
      await stop();
      throw new Error(`nginx did not start: ${output}`);
    }
    return new TestNginx(`http://127.0.0.1:${port}`, stop);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening", { signal: AbortSignal.timeout(LISTEN_MS) });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
