import {
  chmod,
  copyFile,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  writeFile,
} from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { usageRecordSchema } from "@gradient/protocol";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NixRoot } from "../support/nix-root.ts";
import { commands } from "../support/programs.ts";

const EXPRESSION = `{ salt ? "0", marker ? "none" }:
let
  seed = ./seed;
  mk = name: script: attributes: derivation ({
    inherit name salt;
    system = builtins.currentSystem;
    builder = "\${seed}/busybox";
    args = [ "sh" "-e" "-c" script ];
    PATH = seed;
  } // attributes);
  fixed = hash: { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = hash; };
  zero = "0000000000000000000000000000000000000000000000000000";
in rec {
  base = mk "base" "echo building base; echo base > $out" { };
  hello = mk "hello" "cat \${base} > $out; echo \${marker} >> $out" { };
  renamed = two.dev;
  noOut = mk "no-out" "echo 1 > $bin; echo 2 > $dev" { outputs = [ "dev" "bin" ]; };
  two = mk "two" "echo \${hello}; echo 1 > $out; echo 2 > $dev" { outputs = [ "out" "dev" ]; };
  fails = mk "fails" "echo first; echo reason; exit 3" { };
  above = mk "above" "echo \${fails} > $out" { };
  lasting = mk "lasting" "echo waiting; busybox sleep 2; echo \${base} > $out" { };
  floating = mk "floating" "echo \${base} > $out" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
  slow = mk "slow" "echo waiting; busybox sleep 60; echo > $out" { };
  mismatch = mk "mismatch" "echo other > $out" (fixed zero);
  fetchFails = mk "fetch-fails" "exit 9" (fixed zero);
  noOutput = mk "no-output" "true" { };
  foreign = mk "foreign" "echo > $out" { system = "mips-plan9"; };
  throws = throw "no such luck";
  sets.recurseForDerivations = true;
  sets.inner = mk "inner" "echo > $out" { };
  hidden.inner = mk "hidden" "echo > $out" { };
}
`;

let directory: string;
let source: string;
/** One store for ours, one for nix-build's: each has to build everything itself. */
let ours: NixRoot;
let theirs: NixRoot;

beforeAll(async () => {
  directory = await mkdtemp(join(process.env["GRADIENT_TEST_DIR"] ?? tmpdir(), "gradient-alone-"));
  source = join(directory, "source");
  await mkdir(join(source, "seed"), { recursive: true });
  await writeFile(join(source, "default.nix"), EXPRESSION);
  const busybox = ["/usr/bin/busybox", "/bin/busybox"].find((path) => existsSync(path));
  await copyFile(busybox ?? "", join(source, "seed/busybox"));
  await chmod(join(source, "seed/busybox"), 0o755);
  ours = await NixRoot.make(join(directory, "ours"));
  theirs = await NixRoot.make(join(directory, "theirs"));
});

afterAll(async () => {
  await ours.remove();
  await theirs.remove();
  await rm(directory, { recursive: true, force: true });
});

/** A file with the same derivations that nobody has built yet. */
async function fresh(salt: string): Promise<string> {
  const file = join(source, `${salt}.nix`);
  await writeFile(file, `import ./. { salt = "${salt}"; }`);
  return file;
}

/** A directory to run in: links are made there. */
async function place(): Promise<string> {
  return mkdtemp(join(directory, "place-"));
}

/** Runs our command, given as words with spaces between. */
function worker(line: string, options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const { command, argv } = commands.worker;
  return execa(command, [...argv, ...line.split(" ")], {
    cwd: options.cwd ?? directory,
    env: { ...ours.env, GRADIENT_WORKER_DATA_DIR: join(directory, "state"), ...options.env },
    extendEnv: false,
    reject: false,
    timeout: 60_000,
  });
}

function nixBuild(line: string, cwd = directory) {
  return execa("nix-build", line.split(" "), {
    cwd,
    env: theirs.env,
    extendEnv: false,
    reject: false,
  });
}

const NIX_COMMAND = ["--extra-experimental-features", "nix-command"];

describe("gradient-worker build", () => {
  test.each([
    ["what is built", "-A hello"],
    ["several outputs and derivations", "-A two -A two.dev -A base"],
    ["outputs by other names", "-A renamed -A two.out -A noOut -A noOut.bin"],
    ["a set that is recursed into", "-A sets"],
    ["arguments", "-A hello --argstr marker x --arg salt 1+2"],
    ["a dependency that fails", "-A above"],
    ["a build that takes too long", "-A slow --timeout 1"],
    ["a hash that is not as stated", "-A mismatch"],
    ["a fixed output whose builder fails", "-A fetchFails"],
    ["an output that was not made", "-A noOutput"],
    ["a system that this machine is not", "-A foreign"],
    ["a failure and a wrong hash", "-A fails -A mismatch -k"],
    ["a failure and a timeout", "-A fails -A slow -k --timeout 1"],
    ["an attribute that throws", "-A throws"],
    ["a failure and an attribute that throws", "-A fails -A throws -k"],
    ["an attribute that is not there", "-A nothing"],
  ])("prints, links and exits like nix-build: %s", async (_what, line) => {
    const [here, there] = [await place(), await place()];
    const [mine, nix] = await Promise.all([
      worker(`build ${source} ${line}`, { cwd: here }),
      nixBuild(`${source} ${line}`, there),
    ]);
    expect(mine.exitCode, mine.stderr).toBe(nix.exitCode);
    expect(mine.stdout).toBe(nix.stdout);
    for (const link of ["result", "result-2", "result-dev"]) {
      expect(await target(join(here, link))).toBe(await target(join(there, link)));
    }
  });

  test("tells of every build what it used, in a document and in a table", async () => {
    const here = await place();
    const file = join(here, "report.json");
    const line = `build ${await fresh("report")} -A two -A above -k --json --report ${file}`;
    const { exitCode, stdout, stderr } = await worker(line, { cwd: here });
    expect(exitCode).toBe(100);
    const report: unknown = JSON.parse(stdout);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(report);
    expect(report).toMatchObject({
      version: 1,
      exitCode: 100,
      jobs: [
        { attribute: ["two"], status: "built", output: { name: "out" }, error: null },
        { attribute: ["above"], status: "dependency_failed" },
      ],
      errors: [],
    });
    const { builds, dependencyFailed } = report as Document;
    expect(builds.map(({ name, outcome }) => `${name} ${outcome}`).toSorted()).toEqual([
      "base built",
      "fails build_failed",
      "hello built",
      "two built",
    ]);
    for (const { usage } of builds)
      expect(usageRecordSchema.parse(usage).wallMs).toBeGreaterThan(0);
    expect(dependencyFailed).toHaveLength(1);
    expect(stderr).toMatch(/^derivation +status +wall +CPU +memory +output$/m);
    expect(stderr).toMatch(/^two +built +[\d.]+ s/m);
    expect(stderr).toContain("> reason");
    expect(stderr).toMatch(/nix-store --read-log \/nix\/store\/\S+-fails\.drv/);
  });

  test("measures evaluation apart from the builds that go on after it", async () => {
    // The limit is Nix's own, as its files may have it.
    const env = { NIX_CONFIG: `${ours.env["NIX_CONFIG"] ?? ""}\ntimeout = 1` };
    const { exitCode, stdout } = await worker(`build ${source} -A slow --json`, { env });
    expect(exitCode).toBe(101);
    const { startedAt, stoppedAt, builds, evaluation } = JSON.parse(stdout) as Document;
    const buildMs = builds[0]?.usage.wallMs ?? 0;
    expect(buildMs).toBeGreaterThan(0);
    expect(evaluation.usage.wallMs).toBeLessThan(stoppedAt - startedAt - buildMs / 2);
  });

  test("a pattern that selects nothing is told", async () => {
    const { exitCode, stderr } = await worker(`build ${source} --pattern bse.*`);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`warning: there is no derivation that 'bse.*' selects in ${source}`);
  });

  test("a link that can not be made hides neither the paths nor the report", async () => {
    const report = join(await place(), "report.json");
    const line = `build ${source} -A base -o ${directory}/absent/result --report ${report}`;
    const { exitCode, stdout, stderr } = await worker(line);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^\/nix\/store\/\w{32}-base$/);
    expect(stderr).toMatch(/^gradient-worker: cannot make the link \S+\/absent\/result: ENOENT/m);
    expect(JSON.parse(await readFile(report, "utf8"))).toMatchObject({
      exitCode: 1,
      jobs: [{ status: expect.stringMatching(/^(built|valid)$/) }],
      errors: [expect.stringContaining("cannot make the link")],
    });
  });

  test("a report that can not be written hides nothing else, and one that never could be is told before", async () => {
    const full = await worker(`build ${source} -A fails --json --report /dev/full`);
    expect(full).toMatchObject({ exitCode: 100, stderr: expect.stringContaining("/dev/full") });
    expect(JSON.parse(full.stdout)).toMatchObject({
      exitCode: 100,
      errors: [expect.stringContaining("/dev/full")],
    });
    const early = await worker(`build ${source} -A fails --report ${directory}`);
    expect(early).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("directory") });
    expect(early.stderr).not.toContain("building");
  });

  test.each(["build --report report.json", "status --state-dir state"])(
    "a working directory that was removed is told as such by %s",
    async (line) => {
      const { command, argv } = commands.worker;
      const gone = await place();
      const script = `rmdir "$PWD"; exec "$@" ${line}`;
      const { exitCode, stderr } = await execa("sh", ["-c", script, "sh", command, ...argv], {
        cwd: gone,
        env: ours.env,
        extendEnv: false,
        reject: false,
      });
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^gradient-worker: the working directory is not there .*$/);
    },
  );

  test("a report goes into a pipe, and does not take its place", async () => {
    const pipe = join(await place(), "pipe");
    await execa("mkfifo", [pipe]);
    const [{ exitCode }, read] = await Promise.all([
      worker(`build ${source} -A base --no-out-link --report ${pipe}`),
      execa("cat", [pipe], { timeout: 60_000 }),
    ]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(read.stdout)).toMatchObject({ version: 1, exitCode: 0 });
    expect((await lstat(pipe)).isFIFO()).toBe(true);
  });

  test("a full disk behind standard output is told in one line", async () => {
    const { command, argv } = commands.worker;
    const line = `${command} ${argv.join(" ")} eval ${source} -A base > /dev/full`;
    const { exitCode, stderr } = await execa("sh", ["-c", line], {
      env: { ...ours.env, GRADIENT_WORKER_DATA_DIR: join(directory, "state") },
      extendEnv: false,
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^gradient-worker: cannot write to standard output: ENOSPC.*$/);
  });

  test("without -k begins nothing new after a failure, and ends what runs", async () => {
    const line = `build ${await fresh("stop")} -A fails -A slow -j 2 --json`;
    const { exitCode, stdout } = await worker(line);
    expect(exitCode).toBe(100);
    expect(JSON.parse(stdout)).toMatchObject({
      jobs: [{ status: "failed" }, { status: "cancelled" }],
    });
  });

  test("takes from a substituter what it has, and builds only the rest", async () => {
    const file = await fresh("cache");
    const base = (await nixBuild(`${file} -A base --no-out-link`)).stdout;
    const cache = `file://${join(directory, "cache")}`;
    await theirs.nix("nix", [...NIX_COMMAND, "copy", "--to", cache, base]);
    const { stdout, stderr } = await worker(`build ${file} -A two --no-out-link --json`, {
      env: { NIX_CONFIG: `substituters = ${cache}\nrequire-sigs = false` },
    });
    const report = JSON.parse(stdout) as Document;
    expect(report.substituted, stderr).toEqual([base]);
    expect(report.builds.map(({ name }) => name)).toEqual(["hello", "two"]);
  });

  test("names a substituter that does not answer, once, and builds", async () => {
    const { exitCode, stderr } = await worker(`build ${await fresh("silent")} -A hello`, {
      cwd: await place(),
      env: { NIX_CONFIG: "substituters = http://127.0.0.1:1\ndownload-attempts = 2" },
    });
    expect(exitCode, stderr).toBe(0);
    expect(stderr.match(/^warning: .*127\.0\.0\.1:1.*$/gm), stderr).toHaveLength(1);
  });

  test("--dry-run says in nix-build's words what would be built and fetched, and builds nothing", async () => {
    const file = await fresh("dry");
    const base = (await nixBuild(`${file} -A base --no-out-link`)).stdout;
    const cache = `file://${join(directory, "dry-cache")}`;
    await theirs.nix("nix", [...NIX_COMMAND, "copy", "--to", cache, base]);
    const env = { NIX_CONFIG: `substituters = ${cache}\nrequire-sigs = false` };
    const cwd = await place();
    const line = `${file} -A two -A sets.inner --dry-run`;
    const dry = await worker(`build ${line}`, { cwd, env });
    const other = await NixRoot.make(join(directory, "dry-store"));
    const plain = await execa("nix-build", line.split(" "), { env: { ...other.env, ...env } });
    await other.remove();
    expect(dry).toMatchObject({ exitCode: 0, stdout: "" });
    // Later versions choose another unit for so few bytes.
    const linesOf = (text: string): string[] =>
      stripVTControlCharacters(text)
        .replace(/\(.* download, .* unpacked\)/, "(sizes)")
        .split("\n")
        .toSorted();
    expect(linesOf(dry.stderr)).toEqual(linesOf(plain.stderr));
    expect(dry.stderr).toMatch(/-hello\.drv\n[^]*-two\.drv\n/);
    expect(dry.stderr).toContain(
      `will be fetched (0.00 MiB download, 0.00 MiB unpacked):\n  ${base}`,
    );
    expect(existsSync(join(cwd, "result"))).toBe(false);
    const failing = await worker(`build ${file} -A throws -A base --dry-run`, { env });
    expect(failing).toMatchObject({ exitCode: 1 });
    expect(failing.stderr).toMatch(/no such luck[^]*this path will be fetched/);
  });

  test("builds what a substituter offers and does not give", async () => {
    const file = await fresh("outage");
    const base = (await nixBuild(`${file} -A base --no-out-link`)).stdout;
    const cache = join(directory, "broken-cache");
    await theirs.nix("nix", [...NIX_COMMAND, "copy", "--to", `file://${cache}`, base]);
    await rm(join(cache, "nar"), { recursive: true });
    const { exitCode, stdout, stderr } = await worker(`build ${file} -A hello --no-out-link`, {
      env: { NIX_CONFIG: `substituters = file://${cache}\nrequire-sigs = false` },
    });
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(/-hello$/);
    expect(stderr).toContain("could not be fetched");
    expect(stderr).toContain("built base");
  });

  test("what a build needs is not collected while it runs", async () => {
    const file = await fresh("collected");
    expect(await worker(`build ${file} -A base --no-out-link`)).toMatchObject({ exitCode: 0 });
    const running = worker(`build ${file} -A lasting --no-out-link`);
    await new Promise<void>((resolve) => {
      running.stderr.on("data", (text: Buffer) => {
        if (text.toString().includes("building lasting")) resolve();
      });
    });
    await ours.nix("nix-store", ["--gc"]);
    expect(await running).toMatchObject({ exitCode: 0 });
  });

  test("Nix and whoever asked are told what a content-addressed derivation has become", async () => {
    const file = await fresh("floating");
    const env = { ...ours.env, NIX_CONFIG: "extra-experimental-features = ca-derivations" };
    const out = join(directory, "floating");
    const built = await worker(`build ${file} -A floating -o ${out} --json`, { env });
    const { jobs, builds } = JSON.parse(built.stdout) as Document;
    const again = await worker(`build ${file} -A floating --no-out-link`, { env });
    const build = [file, "-A", "floating", "--no-out-link"];
    const { stdout: path } = await execa("nix-build", build, { env, extendEnv: false });
    expect(path).toMatch(/-floating$/);
    expect([again.stdout, await readlink(out)]).toEqual([path, path]);
    expect(jobs).toMatchObject([{ output: { name: "out", path } }]);
    expect(builds.flatMap(({ outputs }) => outputs)).toContainEqual(
      expect.objectContaining({ name: "out", path }),
    );
    const args = [file, "-A", "floating", "--dry-run"];
    const { stderr } = await execa("nix-build", args, { env, extendEnv: false });
    expect(stderr).not.toContain("built");
  });

  test("builds what flakes name, their default among it", async () => {
    const flake = join(directory, "flake");
    await cp(source, flake, { recursive: true });
    const set = EXPRESSION.replace("builtins.currentSystem", "system");
    await writeFile(join(flake, "set.nix"), set.replace("{ salt", "{ system, salt"));
    await writeFile(
      join(flake, "flake.nix"),
      `{ outputs = { self }: {
        packages = builtins.listToAttrs (map (system: {
          name = system;
          value = let set = import ./set.nix { inherit system; };
            in { default = set.hello; base = set.base; };
        }) [ "x86_64-linux" "aarch64-linux" ]);
      }; }`,
    );
    const both = await worker(`build path:./flake#base --no-out-link --json`);
    const report = JSON.parse(both.stdout) as Document;
    expect(report.jobs.map(({ output }) => output.path)).toEqual([expect.stringMatching(/-base$/)]);
    const standard = await worker(`build ./flake# --no-out-link`);
    expect(standard.stdout, standard.stderr).toMatch(/^\/nix\/store\/\w{32}-hello$/);
    const absent = await worker(`build path:./flake#absent --no-out-link`);
    expect(absent.exitCode).toBe(1);
    expect(absent.stderr).toContain("has none of packages.");
  });

  test("signs what it built with the key of this machine's worker, when there is one", async () => {
    const state = join(directory, "signing-state");
    await mkdir(state);
    const key = ["key", "generate-secret", "--key-name", "worker-test-1"];
    await writeFile(join(state, "signing-key"), await theirs.nix("nix", [...NIX_COMMAND, ...key]));
    const line = `build ${await fresh("signed")} -A hello --no-out-link --state-dir ${state}`;
    const { stdout } = await worker(line);
    const info = await ours.nix("nix", [...NIX_COMMAND, "path-info", "--sigs", stdout]);
    expect(info).toContain("worker-test-1:");
  });

  test("Ctrl-C ends what runs at once, and tells what became of it", async () => {
    const child = worker(`build ${await fresh("interrupt")} -A slow --json`);
    child.stderr.on("data", (text: Buffer) => {
      if (text.toString().includes("building slow")) child.kill("SIGINT");
    });
    const { exitCode, stdout } = await child;
    expect(exitCode).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({
      exitCode: 130,
      builds: [{ name: "slow", outcome: "cancelled" }],
    });
  });

  test("on a terminal draws what runs, and leaves the terminal as it was", async () => {
    const { command, argv } = commands.worker;
    const build = `build ${await fresh("terminal")} -A slow --timeout 2 --no-out-link`;
    const line = `stty cols 70 rows 20; ${command} ${argv.join(" ")} ${build}`;
    const { stdout, exitCode } = await execa("script", ["-qec", line, "/dev/null"], {
      env: { ...ours.env, TERM: "xterm", GRADIENT_WORKER_DATA_DIR: join(directory, "state") },
      extendEnv: false,
      reject: false,
      input: "",
    });
    expect(exitCode).toBe(101);
    expect(stdout).toMatch(/ {2}slow +[\d.]+ s +[\d.]+ cores +[\d.]+ [KM]iB/);
    expect(stdout).toContain("1 building, 0 of 1 done");
    expect(stdout.lastIndexOf("\u001b[?25h")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?25l"));
    const lines = stripVTControlCharacters(stdout).split(/[\r\n]+/);
    const moving = lines.filter((text) => / building, |cores/.test(text));
    expect(Math.max(...moving.map((text) => text.length))).toBeLessThan(70);
  });
});

describe("gradient-worker eval", () => {
  test("prints attributes and derivations, builds nothing, and fails when one fails", async () => {
    const line = `eval ${await fresh("eval")} -A two -A sets -A throws`;
    const { exitCode, stdout } = await worker(line);
    expect(exitCode).toBe(1);
    expect(stdout.split("\n").toSorted()).toEqual([
      expect.stringMatching(/^sets\.inner {2}\/nix\/store\/\w{32}-inner\.drv$/),
      expect.stringMatching(/^throws {2}error: no such luck at default\.nix:\d+:\d+$/),
      expect.stringMatching(/^two {2}\/nix\/store\/\w{32}-two\.drv$/),
    ]);
    const drvPath = / (\S+-two\.drv)/.exec(stdout)?.[1] ?? "";
    const output = await ours.nix("nix-store", ["--query", "--outputs", drvPath]);
    for (const path of output.split("\n")) expect(existsSync(ours.physical(path))).toBe(false);
  });

  test("what fails as a whole is told in Nix's words, without a stack", async () => {
    const file = join(source, "broken.nix");
    await writeFile(file, "{ a = 1;");
    const { exitCode, stderr } = await worker(`eval ${file}`);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: syntax error, unexpected end of file[^\n]*\nat broken\.nix:1:\d+$/,
    );
  });

  test("a name can not take hold of the terminal", async () => {
    const file = join(source, "escape.nix");
    const name = `\${builtins.fromJSON "\\"a\\\\u001b[31mb\\""}`;
    await writeFile(file, `{ "${name}" = (import ./. { }).base; }`);
    const { stdout } = await worker(`eval ${file}`);
    expect(stdout).toMatch(/^"ab" {2}\/nix\/store\/\w{32}-base\.drv$/);
  });

  test("prints a JSON object a line", async () => {
    const { exitCode, stdout } = await worker(`eval ${source} --json --pattern sets.*`);
    expect(exitCode).toBe(0);
    expect(stdout.split("\n").map((line): unknown => JSON.parse(line))).toEqual([
      {
        name: "sets.inner",
        attribute: ["sets", "inner"],
        outcome: "derivation",
        drvPath: expect.stringMatching(/-inner\.drv$/),
      },
    ]);
  });
});

test("a reader that goes away ends the command without a stack", async () => {
  const { command, argv } = commands.worker;
  const line = `${command} ${argv.join(" ")} eval ${source} | head -n 0; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await execa("bash", ["-c", line], {
    env: { ...ours.env, GRADIENT_WORKER_DATA_DIR: join(directory, "state") },
    extendEnv: false,
  });
  expect(stdout).toBe("141");
  expect(stderr).toBe("gradient-worker: nobody reads standard output any more");
});

test("a build whose progress nobody reads any more is built to its end", async () => {
  const { command, argv } = commands.worker;
  const build = `build ${await fresh("unread")} -A hello --no-out-link`;
  const line = `${command} ${argv.join(" ")} ${build} 2> >(head -n 0); echo "$?"`;
  const { stdout } = await execa("bash", ["-c", line], {
    env: { ...ours.env, GRADIENT_WORKER_DATA_DIR: join(directory, "state") },
    extendEnv: false,
  });
  expect(stdout).toMatch(/^\/nix\/store\/\w{32}-hello\n0$/);
});

interface Document {
  startedAt: number;
  stoppedAt: number;
  evaluation: { usage: { wallMs: number } };
  jobs: { output: { path: string } }[];
  substituted: string[];
  dependencyFailed: string[];
  builds: { name: string; outcome: string; outputs: object[]; usage: { wallMs: number } }[];
}

async function target(link: string): Promise<string | null> {
  const found = await lstat(link).catch(() => null);
  return found?.isSymbolicLink() === true ? readlink(link) : null;
}
