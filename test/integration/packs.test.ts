import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { BUSYBOX, expression } from "../support/expressions.ts";
import { installFromPack } from "../support/installed.ts";
import { NixRoot } from "../support/nix-root.ts";
import { freePort } from "../support/ports.ts";
import { root } from "../support/programs.ts";

let directory: string;
let store: NixRoot;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "gradient-packs-"));
  store = await NixRoot.make(join(directory, "store"));
});

afterAll(async () => {
  await store.remove();
  await rm(directory, { recursive: true, force: true });
});

test("the worker's tarball installs in an empty directory and builds alone", async () => {
  const worker = join(await installFromPack("worker", directory), "gradient-worker");
  const { stdout: help } = await execa(worker, ["--help"]);
  expect(help).toContain("Usage: gradient-worker");

  const state = ["--state-dir", join(directory, "worker-state")];
  const { stdout: id } = await execa(worker, ["id", ...state]);
  expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4/);

  const source = join(directory, "source");
  await mkdir(join(source, "seed"), { recursive: true });
  await copyFile(BUSYBOX ?? "", join(source, "seed/busybox"));
  await chmod(join(source, "seed/busybox"), 0o755);
  const text = expression(`{ hello = mk "hello" "echo from a tarball > $out" { }; }`);
  await writeFile(join(source, "default.nix"), text);
  const built = await execa(worker, ["build", ...state, "--no-out-link"], {
    cwd: source,
    env: store.env,
    extendEnv: false,
  });
  expect(await readFile(store.physical(built.stdout.trim()), "utf8")).toBe("from a tarball\n");
}, 240_000);

test("the coordinator's tarball installs in an empty directory, and serves", async () => {
  const bin = await installFromPack("coordinator", directory);
  const port = await freePort();
  const argv = ["serve", "--data-dir", join(directory, "data"), "--listen", `127.0.0.1:${port}`];
  const daemon = new Daemon("coordinator", join(bin, "gradient-coordinator"), argv, process.env);
  try {
    const answer = await eventually("the coordinator to answer", 30_000, () =>
      fetch(`http://127.0.0.1:${port}/api/v1/health`).catch(() => null),
    );
    expect(answer.status, daemon.log).toBe(200);
    const page = await (await fetch(`http://127.0.0.1:${port}/account/cli-authorize`)).text();
    const style = /href="([^"]+\.css)"/.exec(page)?.[1] ?? "none";
    expect((await fetch(`http://127.0.0.1:${port}${style}`)).status, page).toBe(200);
    const document = await fetch(`http://127.0.0.1:${port}/api/v1/openapi.json`);
    expect(document.status, daemon.log).toBe(200);
  } finally {
    await daemon.stop();
  }
  expect(await daemon.exited(1000)).toBe(0);
}, 240_000);

test("a tarball has everything of this workspace that the daemon needs, and no tests", async () => {
  for (const name of ["worker", "coordinator"]) {
    const file = join(directory, "packs", `gradient-${name}-0.1.0.tgz`);
    const { stdout } = await execa("tar", ["-tzf", file]);
    const files = stdout.split("\n");
    const manifest = JSON.parse(
      await readFile(join(root, "packages", name, "package.json"), "utf8"),
    ) as { dependencies: Record<string, string> };
    for (const dependency of Object.keys(manifest.dependencies)) {
      if (!dependency.startsWith("@gradient/")) continue;
      expect(files).toContain(`package/node_modules/${dependency}/package.json`);
    }
    expect(files.filter((each) => /\.test|\/src\/|\.map$/.test(each))).toEqual([]);
  }
});

test("the Nix package of a daemon fetches every tarball that this machine needs, each by its hash", async () => {
  const file = join(root, "test/nix/package.nix");
  const argv = ["--eval", "--strict", "--json", file, "--argstr", "name", "worker"];
  const { stdout } = await execa("nix-instantiate", argv);
  const made = JSON.parse(stdout) as { pname: string; lock: { packages: Record<string, Entry> } };
  const own = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Entry>;
  };
  expect(made.pname).toBe("gradient-worker");
  for (const [place, { integrity, os, cpu, libc }] of Object.entries(own.packages)) {
    const isOther = [os ?? ["linux"], cpu ?? ["x64"], libc ?? ["glibc"]].some(
      (words) => !["linux", "x64", "glibc"].some((word) => words.includes(word)),
    );
    if (integrity === undefined || isOther) continue;
    expect(made.lock.packages[place]?.resolved, place).toContain(`file:/fetched/${integrity}?`);
  }
  expect(made.lock.packages["node_modules/@commander-js/extra-typings"]?.resolved).toMatch(
    /\?https:\/\/registry\.npmjs\.org\/@commander-js\/extra-typings\/-\/extra-typings-[\d.]+\.tgz$/,
  );
});

interface Entry {
  integrity?: string;
  resolved?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}
