import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { freePort, isListening } from "../support/ports.ts";
import { root } from "../support/programs.ts";

let farm: TestFarm;
let directory: string;
let port: number;
let nginx: Daemon;

/** nginx's configuration with the site that the project ships in it. */
async function configure(site: string): Promise<string> {
  const file = join(directory, "nginx.conf");
  const own = ["body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => {
    const directive = name === "body" ? "client_body" : name;
    return `${directive}_temp_path ${directory}/${name};`;
  });
  await writeFile(
    file,
    `daemon off; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
     events { worker_connections 256; }
     http { access_log off; ${own.join(" ")} ${site} }`,
  );
  return file;
}

beforeAll(async () => {
  farm = await TestFarm.start();
  directory = await mkdtemp(join(tmpdir(), "gradient-proxy-"));
  await chmod(directory, 0o755);
  port = await freePort();
  const shipped = await readFile(join(root, "systemd/nginx.conf"), "utf8");
  const site = shipped
    .replace("listen 443 ssl;", `listen 127.0.0.1:${port};`)
    .replaceAll(/^ *ssl_.*$/gm, "")
    .replace("127.0.0.1:3000", `127.0.0.1:${farm.port}`);
  nginx = new Daemon("nginx", "nginx", ["-p", directory, "-c", await configure(site)], process.env);
  await eventually("nginx to listen", 10_000, async () =>
    (await isListening(port)) ? true : null,
  );
});

afterAll(async () => {
  await nginx.stop();
  await farm[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test("nginx takes the site as it is shipped", async () => {
  const place = await mkdtemp(join(directory, "tls-"));
  const [certificate, key] = [join(place, "fullchain.pem"), join(place, "key.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"];
  await execa("openssl", [...request, "-keyout", key, "-out", certificate]);
  const shipped = await readFile(join(root, "systemd/nginx.conf"), "utf8");
  const running = await readFile(join(directory, "nginx.conf"));
  const file = await configure(shipped.replaceAll("/etc/gradient/tls", place));
  const checked = await execa("nginx", ["-t", "-q", "-p", directory, "-c", file], { all: true });
  expect(checked.all).toBe("");
  await writeFile(file, running);
});

test("through nginx a worker serves, and pages are told of it", async () => {
  const worker = await farm.addWorker("alpha", { port });
  await eventually("the worker's session", 30_000, async () =>
    worker.log.includes("session accepted") ? true : null,
  );
  const text = expression(`{ hello = mk "hello" "echo hello > $out" { }; }`);
  const project = await farm.addFilesProject("hello", "*", { "default.nix": text });
  const evaluation = await farm.evaluate(project);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/evals/${evaluation}/live`, {
    headers: { authorization: `Bearer ${farm.api.token}` },
  });
  const frames: string[] = [];
  socket.on("message", (data: Buffer) => frames.push(data.toString()));
  expect((await farm.ended(evaluation, 60_000)).status, farm.logs()).toBe("Completed");
  await eventually("a frame", 10_000, async () => (frames.length > 0 ? true : null));
  socket.terminate();
});

test("through nginx a large path comes in and goes out", async () => {
  const [from, to] = [join(directory, "from"), join(directory, "to")];
  const source = await NixRoot.make(from);
  const sink = await NixRoot.make(to);
  try {
    const file = join(directory, "large");
    const bytes = randomBytes(96 * 1024 * 1024);
    await writeFile(file, bytes);
    const path = (await source.nix("nix-store", ["--add", file])).trim();
    const cache = `http://any:${farm.api.token}@127.0.0.1:${port}/cache/main?compression=none`;
    const copy = ["--extra-experimental-features", "nix-command", "copy", "--to", cache, path];
    await source.nix("nix", copy);
    const { publicKey } = await farm.cache();
    await sink.substitute(path, { url: `http://127.0.0.1:${port}/cache/main`, publicKey });
    expect(bytes.equals(await readFile(sink.physical(path)))).toBe(true);
  } finally {
    await source.remove();
    await sink.remove();
  }
}, 120_000);
