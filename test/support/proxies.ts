import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { existsSync } from "node:fs";
import { execa } from "execa";
import { eventually } from "./api-client.ts";
import { Daemon } from "./daemon.ts";
import { freePort, isListening } from "./ports.ts";
import { root } from "./programs.ts";

/** Caddy is on PATH; where there is none, what is tested with it is skipped. */
export const hasCaddy = (process.env["PATH"] ?? "")
  .split(delimiter)
  .some((directory) => existsSync(join(directory, "caddy")));

/** A proxy before a coordinator, with the site that the project ships for it. */
export interface TestProxy extends AsyncDisposable {
  /** For plain HTTP. */
  readonly port: number;
  /** What is large goes this way. */
  readonly url: string;
  /** File with the authority of that address; null for plain HTTP. */
  readonly authority: string | null;
  /** Holds the site as it is shipped against the proxy's own check. Resolves to what that says against it. */
  checkShipped(): Promise<string>;
}

interface Certificates {
  makeCertificate: (directory: string) => Promise<unknown>;
}

async function privateDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-proxy-"));
  await chmod(directory, 0o755);
  return directory;
}

async function listening(daemon: Daemon, port: number): Promise<void> {
  await eventually(`${daemon.name} to listen`, 20_000, async () => {
    if (daemon.hasExited) throw new Error(daemon.log);
    return (await isListening(port)) ? true : null;
  });
}

/** nginx, by plain HTTP. */
export async function startNginx(coordinatorPort: number): Promise<TestProxy> {
  const directory = await privateDirectory();
  const shipped = await readFile(join(root, "systemd/nginx.conf"), "utf8");
  const configure = async (name: string, site: string): Promise<string[]> => {
    const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (each) => `${each}_temp_path ${directory}/${each};`,
    );
    const file = join(directory, name);
    await writeFile(
      file,
      `daemon off; pid ${directory}/${name}.pid; error_log ${directory}/error.log;
       events { worker_connections 256; }
       http { access_log off; ${own.join(" ")} ${site} }`,
    );
    return ["-p", directory, "-c", file];
  };
  const port = await freePort();
  const site = shipped
    .replace("listen 443 ssl;", `listen 127.0.0.1:${port};`)
    .replaceAll(/^ *ssl_.*$/gm, "")
    .replace("127.0.0.1:3000", `127.0.0.1:${coordinatorPort}`);
  const daemon = new Daemon("nginx", "nginx", await configure("running", site), process.env);
  await listening(daemon, port);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    authority: null,
    async checkShipped() {
      const tls = await mkdtemp(join(directory, "tls-"));
      const module = (await import(join(root, "scripts/lib/certificate.mjs"))) as Certificates;
      await module.makeCertificate(tls);
      const argv = await configure("shipped", shipped.replaceAll("/etc/gradient/tls", tls));
      return (await execa("nginx", ["-t", "-q", ...argv], { all: true, reject: false })).all;
    },
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Caddy, by plain HTTP and by TLS with an authority of its own. */
export async function startCaddy(coordinatorPort: number): Promise<TestProxy> {
  const directory = await privateDirectory();
  const shipped = await readFile(join(root, "systemd/Caddyfile"), "utf8");
  const [port, tlsPort] = [await freePort(), await freePort()];
  const site = shipped.replace("127.0.0.1:3000", `127.0.0.1:${coordinatorPort}`);
  const sites = [
    `{\nadmin off\nskip_install_trust\nauto_https disable_redirects\n}`,
    site.replace("farm.example.org", `http://127.0.0.1:${port}`),
    site.replace("farm.example.org {", `https://localhost:${tlsPort} {\n    tls internal`),
  ];
  const file = join(directory, "Caddyfile");
  await writeFile(file, sites.join("\n"));
  const env = {
    ...process.env,
    HOME: directory,
    XDG_DATA_HOME: join(directory, "data"),
    XDG_CONFIG_HOME: join(directory, "config"),
  };
  await mkdir(env.XDG_DATA_HOME);
  const daemon = new Daemon(
    "caddy",
    "caddy",
    ["run", "--config", file, "--adapter", "caddyfile"],
    env,
  );
  await listening(daemon, port);
  await listening(daemon, tlsPort);
  return {
    port,
    url: `https://localhost:${tlsPort}`,
    authority: join(env.XDG_DATA_HOME, "caddy/pki/authorities/local/root.crt"),
    async checkShipped() {
      const argv = [
        "validate",
        "--config",
        join(root, "systemd/Caddyfile"),
        "--adapter",
        "caddyfile",
      ];
      const { failed, stderr } = await execa("caddy", argv, { env, reject: false });
      return failed ? stderr : "";
    },
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
