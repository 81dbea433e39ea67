import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { loadCheckConfig } from "../config/load.ts";
import { DaemonConnection } from "../nix/daemon/connection.ts";
import { findNix } from "../nix/installation.ts";
import { NixFixture } from "../nix/testing/nix-fixture.ts";
import { startProcess } from "../process/start.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { writeProgram } from "../testing/write-program.ts";
import { runChecks } from "./check.ts";
import type { Finding } from "./finding.ts";
import { canRun } from "./report.ts";

const isRoot = process.getuid?.() === 0;

let fixture: NixFixture;

beforeAll(async () => {
  fixture = await NixFixture.make(process.env);
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function check(options: {
  environment: Record<string, string>;
  store?: string;
}): Promise<Finding[]> {
  const stateDir = path.join(await temporaryDirectory(), "state");
  const { environment, store = "" } = options;
  const flags = store === "" ? { stateDir } : { stateDir, store };
  const config = loadCheckConfig({ flags, configFile: undefined, env: {} });
  return runChecks({ config, environment });
}

function finding(findings: readonly Finding[], area: string, name: string): Finding {
  const found = findings.find((each) => each.area === area && each.name === name);
  if (found === undefined) throw new Error(`no ${area}/${name} in ${JSON.stringify(findings)}`);
  return found;
}

/** The fixture's Nix, with further settings. */
function withSettings(...lines: string[]): { environment: Record<string, string> } {
  return { environment: { ...fixture.nix.environment, NIX_CONFIG: lines.join("\n") } };
}

describe("with a store of its own", () => {
  test("a worker can run, and every part of Nix that it needs was tried", async () => {
    const findings = await check(withSettings());
    expect(findings.filter(({ status }) => status === "failure")).toEqual([]);
    expect(canRun(findings)).toBe(true);
    expect(finding(findings, "nix", "version").found).toContain(fixture.version.split("+")[0]);
    expect(finding(findings, "nix", "store").found).toContain(fixture.directory);
    expect(finding(findings, "nix", "evaluation").found).toBe("works, with flakes");
    expect(finding(findings, "nix", "build").found).toMatch(/was built in \d+ ms/);
    const isHeld = finding(findings, "accounting", "limits").found.includes("memory");
    const { found } = finding(findings, "accounting", "evaluators");
    expect(found.includes("held to its memory by the kernel")).toBe(isHeld);
    expect(finding(findings, "nix", "systems").found).toContain("-linux");
  });

  test("a sandbox without a shell is told, with the line that gives it one", async () => {
    const sandbox = finding(await check(withSettings()), "nix", "sandbox");
    expect(sandbox).toMatchObject({ status: "warning", found: expect.stringContaining("/bin/sh") });
    expect(sandbox.change).toContain("sandbox-paths = /bin/sh=/usr/bin/busybox");
  });

  test("a sandbox with a shell is well", async () => {
    const busybox = path.join(fixture.tree, "seed/busybox");
    const findings = await check(withSettings(`sandbox-paths = /bin/sh=${busybox}`));
    expect(finding(findings, "nix", "sandbox").status).toBe("ok");
  });

  test("a file that the sandbox should show, and that is not there, is why builds fail", async () => {
    const findings = await check(withSettings("sandbox-paths = /bin/sh=/nowhere/shell"));
    const build = finding(findings, "nix", "build");
    expect(build).toMatchObject({ status: "failure" });
    expect(build.found).toContain("/nowhere/shell");
    expect(build.change).toContain("sandbox-paths");
    expect(canRun(findings)).toBe(false);
  });

  test.runIf(isRoot)("build users that are not there are told before the first build", async () => {
    const settings = withSettings("build-users-group = no-such-group");
    const findings = await check(settings);
    expect(finding(findings, "nix", "build users")).toMatchObject({
      status: "failure",
      found: "there is no group no-such-group",
    });
    expect(finding(findings, "nix", "build").status).toBe("failure");
  });

  test.runIf(isRoot)("what is measured and what is enforced was seen on a real build", async () => {
    const findings = await check(withSettings());
    expect(finding(findings, "accounting", "measuring")).toMatchObject({
      status: "ok",
      found: expect.stringMatching(/^CPU exact, memory exact, from cgroup.*real build/),
    });
  });
});

describe("behind the system's daemon", () => {
  async function withDaemon<T>(
    settings: readonly string[],
    work: (environment: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    const directory = await temporaryDirectory();
    const socket = path.join(directory, "socket");
    const { environment: own } = withSettings(...settings);
    const environment = { ...own, NIX_DAEMON_SOCKET_PATH: socket };
    const daemon = await startProcess({
      command: "nix-daemon",
      args: ["--daemon"],
      env: environment,
    });
    daemon.stdout.resume();
    daemon.stderr.resume();
    try {
      const nix = findNix({ store: "daemon", environment });
      await vi.waitFor(async () => {
        await (await DaemonConnection.open(nix))[Symbol.asyncDispose]();
      }, 10_000);
      return await work(environment);
    } finally {
      await daemon.end(1000);
    }
  }

  test("a worker can run, and the daemon trusts it", async () => {
    await withDaemon([], async (environment) => {
      const findings = await check({ environment, store: "daemon" });
      expect(canRun(findings)).toBe(true);
      const store = finding(findings, "nix", "store");
      expect(store).toMatchObject({ status: "ok" });
      expect(store.found).toMatch(/behind the daemon \(Nix 2\..*trust/);
    });
  });

  test("a daemon that does not trust the worker is told, with the line to add", async () => {
    await withDaemon(["trusted-users = somebody"], async (environment) => {
      const store = finding(await check({ environment, store: "daemon" }), "nix", "store");
      // Nix before 2.9 does not tell, so it can only be supposed.
      expect(["failure", "warning"]).toContain(store.status);
      expect(store.change).toContain("extra-trusted-users = ");
    });
  });

  test("a daemon that does not answer is told", async () => {
    const { environment } = withSettings();
    const findings = await check({ environment, store: "unix:///nowhere/socket" });
    expect(finding(findings, "nix", "store")).toMatchObject({
      status: "failure",
      found: expect.stringContaining("/nowhere/socket"),
    });
  });
});

describe("without a Nix that can be used", () => {
  test("all the rest is looked at, too", async () => {
    const findings = await check({ environment: { PATH: "/nowhere" } });
    expect(canRun(findings)).toBe(false);
    expect(finding(findings, "nix", "version")).toMatchObject({
      status: "failure",
      found: "nix is not on PATH",
      change: expect.stringContaining("install Nix 2.8 or newer"),
    });
    expect(finding(findings, "fetch", "git").status).toBe("failure");
    expect(finding(findings, "identity", "state directory").status).toBe("ok");
    expect(findings.map(({ area }) => area)).toContain("accounting");
  });

  test("one that is too old is named with its place", async () => {
    const directory = await temporaryDirectory();
    for (const name of ["nix", "nix-store", "nix-instantiate", "nix-daemon"]) {
      writeProgram(path.join(directory, name), "#!/bin/sh\necho 'nix (Nix) 2.3.16'\n");
    }
    const findings = await check({ environment: { PATH: `${directory}:/usr/bin:/bin` } });
    expect(finding(findings, "nix", "version")).toMatchObject({
      status: "failure",
      found: `nix (Nix) 2.3.16 in ${directory} is too old`,
    });
  });

  test("a program that is missing is named", async () => {
    const directory = await temporaryDirectory();
    writeProgram(path.join(directory, "nix"), "#!/bin/sh\necho 'nix (Nix) 2.26.3'\n");
    const findings = await check({ environment: { PATH: directory } });
    expect(finding(findings, "nix", "version").found).toBe(
      "nix (Nix) 2.26.3, without nix-store, nix-instantiate, nix-daemon",
    );
  });
});
