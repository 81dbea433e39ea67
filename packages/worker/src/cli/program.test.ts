import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SETTINGS } from "../config/settings.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { main } from "./program.ts";

const printed = { out: "", err: "" };
/** Of standard output. */
let failure: Error | null = null;

beforeEach(() => {
  printed.out = "";
  printed.err = "";
  failure = null;
  vi.spyOn(process.stdout, "write").mockImplementation((text, ...rest) => {
    printed.out += String(text);
    const done = rest.find((each) => typeof each === "function");
    done?.(failure);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    printed.err += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

function worker(args: string[], env: Record<string, string> = {}): Promise<number> {
  return main(["node", "gradient-worker", ...args], env);
}

describe("gradient-worker id", () => {
  test("prints the id that it keeps", async () => {
    const directory = await temporaryDirectory();
    expect(await worker(["id", "--state-dir", directory])).toBe(0);
    expect(printed.out).toBe(await readFile(join(directory, "worker-id"), "utf8"));
  });

  test("that cannot be printed fails with one clear line", async () => {
    failure = new Error("ENOSPC: no space left on device, write");
    expect(await worker(["id", "--state-dir", await temporaryDirectory()])).toBe(1);
    expect(printed.err).toBe(
      "gradient-worker: cannot write to standard output: ENOSPC: no space left on device, write\n",
    );
  });

  test("with foreign contents in the file fails with one clear line", async () => {
    const directory = await temporaryDirectory();
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "worker-id"), "hello");
    expect(await worker(["id"], { GRADIENT_WORKER_DATA_DIR: directory })).toBe(1);
    expect(printed.out).toBe("");
    expect(printed.err.trim().split("\n")).toHaveLength(1);
    expect(printed.err).toContain("does not hold a worker id");
  });
});

describe("gradient-worker run", () => {
  test("--help names flag, variable and key of every setting", async () => {
    expect(await worker(["run", "--help"])).toBe(0);
    const help = printed.out.replaceAll(/\s+/g, " ");
    for (const { flag, env, key } of SETTINGS) {
      expect(help).toContain(flag ?? env);
      expect(help).toContain(`env: ${env}, key: ${key}`);
    }
  });

  test.each([
    [["run", "--peers-file", "/p"], 2, "server is missing"],
    [["run", "--server", "ws://x"], 2, "no tokens are given"],
    [
      ["run", "--server", "ws://x", "--peers-file", "/p", "--log-level", "loud"],
      2,
      "--log-level is not usable",
    ],
    [["run", "--config", "/no/such/file"], 2, "cannot read config file"],
    [["run", "--frobnicate"], 1, "unknown option '--frobnicate'"],
    [["frobnicate"], 1, "unknown command 'frobnicate'"],
  ])("%j fails with exit code %d and one clear line", async (args, exitCode, problem) => {
    expect(await worker(args)).toBe(exitCode);
    expect(printed.err).toContain(problem);
    expect(printed.err.trim().split("\n")).toHaveLength(1);
  });

  test.each([
    [["build", "-K", "x.nix"], "in place of -K: nix-store --realise -K"],
    [["eval", "--option", "cores", "2"], "in place of --option: set NIX_CONFIG"],
  ])("%j says what to use in its place", async (args, advice) => {
    expect(await worker(args)).toBe(1);
    expect(printed.err).toContain(advice);
  });

  test("with a peers file that cannot be read fails with one clear line", async () => {
    const directory = await temporaryDirectory();
    const args = [
      "--server",
      "ws://127.0.0.1:1",
      "--state-dir",
      directory,
      "--log-level",
      "silent",
    ];
    const file = join(directory, "absent");
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
    expect(await worker(["run", ...args, "--peers-file", file], env)).toBe(1);
    expect(printed.err).toContain(`cannot read peers file ${file}`);
    expect(printed.err.trim().split("\n")).toHaveLength(1);
  });
});

test("--version prints the release", async () => {
  expect(await worker(["--version"])).toBe(0);
  expect(printed.out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe("gradient-worker build and eval", () => {
  test("without Nix say so, and what tells more, without a stack", async () => {
    const directory = await temporaryDirectory();
    const file = join(directory, "file.nix");
    await writeFile(file, "{ }");
    const env = { PATH: join(directory, "no-programs"), GRADIENT_WORKER_DATA_DIR: directory };
    for (const command of ["build", "eval"]) {
      printed.err = "";
      expect(await worker([command, file], env)).toBe(1);
      expect(printed.err).toContain("nix-store");
      expect(printed.err).toContain("gradient-worker check");
      expect(printed.err.trim().split("\n")).toHaveLength(1);
    }
  });

  test.each([
    [["/no/such/path"], "/no/such/path does not exist"],
    [["EMPTY"], "there is nothing to do"],
    [["FILE", "--pattern", "a..b"], "pattern"],
    [["FILE", "-A", "a..b"], "-A 'a..b'"],
    [["FILE", "-A", "a", "--arg", "x"], "--arg takes a name and a value"],
    [[".#hello", "--argstr", "x", "y"], "takes no --arg"],
    [[".#hello", "-A", "hello"], "names an attribute"],
    [["FILE", "--no-such-flag"], "--no-such-flag"],
  ])("%j fails with one clear line", async (args, problem) => {
    const directory = await temporaryDirectory();
    const file = join(directory, "file.nix");
    await mkdir(join(directory, "empty"));
    await writeFile(file, "{ }");
    const places: Record<string, string> = { EMPTY: join(directory, "empty"), FILE: file };
    const words = args.map((word) => places[word] ?? word);
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", GRADIENT_WORKER_DATA_DIR: directory };
    for (const command of ["build", "eval"]) {
      printed.err = "";
      expect(await worker([command, ...words], env)).toBe(1);
      expect(printed.err).toContain(problem);
      expect(printed.err.trim().split("\n")).toHaveLength(1);
    }
  });

  test.each([
    ["nonsense://x", /^gradient-worker: the store 'nonsense:\/\/x' can not be built in: use/],
    ["local?root=/proc/x", /^error: nix-daemon ended .*creating directory '\/proc\/x'/],
  ])("the store %s, which Nix can not open, is told in one clear line", async (store, line) => {
    const directory = await temporaryDirectory();
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", GRADIENT_WORKER_DATA_DIR: directory };
    const file = join(directory, "file.nix");
    const name = '{ name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; }';
    await writeFile(file, `derivation ${name}`);
    expect(await worker(["build", file, "--store", store], env)).toBe(1);
    const told = printed.err.trim().split("\n");
    expect(told.filter((each) => !each.startsWith("0 built;"))).toEqual([
      expect.stringMatching(line),
    ]);
  });

  test("a report that can not be written is told before anything is built", async () => {
    const directory = await temporaryDirectory();
    const file = join(directory, "absent/report.json");
    expect(await worker(["build", "/no/such/path", "--report", file])).toBe(1);
    expect(printed.err).toContain(`cannot write the report ${file}`);
    expect(printed.err.trim().split("\n")).toHaveLength(1);
  });

  test("-j takes a number of builds", async () => {
    for (const jobs of ["many", "0"]) {
      printed.err = "";
      expect(await worker(["build", "-j", jobs])).toBe(1);
      expect(printed.err).toContain("whole number from 1 on");
    }
  });

  test("--help tells the exit codes and the way to each setting", async () => {
    expect(await worker(["build", "--help"])).toBe(0);
    expect(printed.out).toContain("100 a build failed");
    expect(printed.out).toContain("GRADIENT_WORKER_STORE");
  });
});
