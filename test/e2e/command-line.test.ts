import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { randomToken, TestFarm } from "../support/farm.ts";
import { Daemon } from "../support/daemon.ts";
import { eventually } from "../support/api-client.ts";
import { freePort } from "../support/ports.ts";
import { commands } from "../support/programs.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "gradient-command-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function run(program: keyof typeof commands, argv: readonly string[]) {
  const { command, argv: own } = commands[program];
  const { exitCode, stdout, stderr } = await execa(command, [...own, ...argv], {
    reject: false,
    timeout: 30_000,
  });
  return { exitCode, stdout, stderr, output: `${stdout}\n${stderr}` };
}

test.each(["worker", "coordinator"] as const)(
  "the help of the %s that is not read to its end leaves no stack",
  async (program) => {
    const { command, argv } = commands[program];
    const line = `${command} ${argv.join(" ")} --help | head -n 0`;
    expect((await execa("bash", ["-c", line], { timeout: 30_000 })).stderr).toBe("");
  },
);

describe("gradient-worker", () => {
  const worker = (...argv: string[]) => run("worker", argv);

  test("id makes a version 4 UUID once, readable by its owner only", async () => {
    const first = await worker("id", "--state-dir", directory);
    const second = await worker("id", "--state-dir", directory);
    expect(first.stdout.trim()).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(second.stdout).toBe(first.stdout);
    const { mode } = await stat(join(directory, "worker-id"));
    expect(mode & 0o777).toBe(0o600);
  });

  test("foreign contents of the worker-id file are fatal, said so, and kept", async () => {
    await writeFile(join(directory, "worker-id"), "build-01\n");
    const { exitCode, output } = await worker("id", "--state-dir", directory);
    expect(exitCode).toBe(1);
    expect(output).toContain(join(directory, "worker-id"));
    expect(output).toMatch(/UUID/);
    expect(output).not.toMatch(/\n\s+at /);
    expect(await readFile(join(directory, "worker-id"), "utf8")).toBe("build-01\n");
  });

  test("a peers file that cannot be read is fatal and named", async () => {
    const peers = join(directory, "no-such-file");
    const { exitCode, output } = await worker(
      "run",
      "--server",
      "ws://127.0.0.1:9/proto",
      "--state-dir",
      directory,
      "--peers-file",
      peers,
    );
    expect(exitCode).toBe(1);
    expect(output).toContain(peers);
    expect(output).not.toMatch(/\n\s+at /);
  });

  test("a rejected line of the peers file is named by its number, never by its token", async () => {
    const peers = join(directory, "peers");
    await mkdir(directory, { recursive: true });
    const secret = randomToken();
    await writeFile(peers, `# a comment\nno-uuid:${secret}\n`, { mode: 0o600 });
    const { command, argv } = commands.worker;
    const run = ["run", "--server", "ws://127.0.0.1:9/proto", "--state-dir", directory];
    const daemon = new Daemon(
      "gradient-worker",
      command,
      [...argv, ...run, "--peers-file", peers],
      process.env,
    );
    await eventually("the report of line 2", 20_000, async () =>
      /"line":2/.test(daemon.log) && /no usable/i.test(daemon.log) ? true : null,
    );
    await daemon.stop();
    expect(daemon.log).not.toContain(secret);
  });

  test("an unknown flag is refused with its name", async () => {
    const { exitCode, output } = await worker("run", "--no-such-flag");
    expect(exitCode).not.toBe(0);
    expect(output).toContain("--no-such-flag");
  });
});

describe("gradient-coordinator", () => {
  const coordinator = (...argv: string[]) => run("coordinator", argv);

  test("a port that is in use is fatal and named", async () => {
    await using farm = await TestFarm.start();
    const { exitCode, output } = await coordinator(
      "serve",
      "--data-dir",
      directory,
      "--listen",
      `127.0.0.1:${farm.port}`,
    );
    expect(exitCode).toBe(1);
    expect(output).toContain(String(farm.port));
    expect(output).not.toMatch(/\n\s+at /);
  });

  test("a listen address that is none is refused", async () => {
    const { exitCode, output } = await coordinator(
      "serve",
      "--data-dir",
      directory,
      "--listen",
      "nonsense",
    );
    expect(exitCode).not.toBe(0);
    expect(output).toContain("nonsense");
  });

  test("a data directory that is a file is fatal and named", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    const { exitCode, output } = await coordinator(
      "serve",
      "--data-dir",
      file,
      "--listen",
      `127.0.0.1:${await freePort()}`,
    );
    expect(exitCode).toBe(1);
    expect(output).toContain(file);
  });

  test("user create refuses a weak password and says the rule", async () => {
    const file = join(directory, "password");
    await writeFile(file, "short");
    await chmod(file, 0o600);
    const user = [
      "--username",
      "bob",
      "--email",
      "bob@example.org",
      "--name",
      "Bob",
      "--password-file",
      file,
    ];
    const { exitCode, output } = await coordinator(
      "user",
      "create",
      "--data-dir",
      directory,
      ...user,
    );
    expect(exitCode).toBe(2);
    expect(output).toMatch(/8/);
    expect(output).not.toMatch(/\n\s+at /);
  });

  test("SIGTERM ends it with exit code 0", async () => {
    const farm = await TestFarm.start();
    farm.coordinator.process.kill("SIGTERM");
    expect(await farm.coordinator.exited(15_000)).toBe(0);
    await farm[Symbol.asyncDispose]();
  });
});
