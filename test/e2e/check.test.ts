import { chmod, chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NixRoot } from "../support/nix-root.ts";
import { commands, root } from "../support/programs.ts";

/** Machines that lack something, made of this one: by mount namespaces, and by users who may little. */

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

interface Report {
  exitCode: number | undefined;
  canRun: boolean;
  findings: { area: string; name: string; status: string; found: string; change: string | null }[];
}

let directory: string;
let store: NixRoot;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "gradient-check-"));
  // Others have to come through.
  await chmod(directory, 0o755);
  store = await NixRoot.make(join(directory, "store"));
});

afterEach(async () => {
  await store.remove();
  await rm(directory, { recursive: true, force: true });
});

/** Runs `check --json` in a mount namespace of its own, after `prepare`, through `as`. The project lies at a place that everybody can read. */
async function check(options: {
  prepare?: string;
  as?: readonly string[];
  cwd?: string;
}): Promise<Report> {
  const { prepare = "", as = [], cwd = "/" } = options;
  const project = join(directory, "project");
  await mkdir(project);
  const program = commands.worker.argv[0].replace(root, project);
  const state = ["--state-dir", join(directory, "state")];
  const argv = [program, "check", "--json", ...state];
  const script = `set -e; mount --bind "$1" "$2"; ${prepare}\nshift 2; exec "$@"`;
  const { exitCode, stdout, stderr } = await execa(
    "unshare",
    ["--mount", "sh", "-c", script, "sh", root, project, ...as, process.execPath, ...argv],
    { cwd, env: store.env, extendEnv: false, reject: false, timeout: 60_000 },
  );
  expect(stderr).toBe("");
  return { exitCode, ...(JSON.parse(stdout) as Omit<Report, "exitCode">) };
}

/** `setpriv` for a user and no groups. */
function user(uid: number): string[] {
  return ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
}

function finding(report: Report, name: string): Report["findings"][number] {
  const found = report.findings.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name} in ${JSON.stringify(report)}`);
  return found;
}

function failures(report: Report): string[] {
  return report.findings.flatMap(({ name, status }) => (status === "failure" ? [name] : []));
}

describe.runIf(isRoot)("gradient-worker check", () => {
  test("as a user who may little, with a store of its own, can run and is measured by samples", async () => {
    for (const place of [store.directory, join(store.directory, "conf")]) {
      await chown(place, NOBODY, NOBODY);
    }
    const state = join(directory, "state");
    await mkdir(state, { mode: 0o700 });
    await chown(state, NOBODY, NOBODY);
    const report = await check({ as: user(NOBODY) });
    expect(failures(report)).toEqual([]);
    expect(report).toMatchObject({ exitCode: 0, canRun: true });
    expect(finding(report, "build").found).toMatch(/was built/);
    expect(finding(report, "measuring")).toMatchObject({
      status: "warning",
      found: expect.stringContaining("sampled, from proc"),
    });
    expect(finding(report, "measuring").change).toMatch(/root|Delegate/);
  });

  test("as a user who may not use the store says how it could", async () => {
    const report = await check({ as: user(NOBODY) });
    expect(report).toMatchObject({ exitCode: 1, canRun: false });
    expect(finding(report, "store").change).toMatch(/--store/);
    expect(finding(report, "state directory")).toMatchObject({
      status: "failure",
      change: expect.stringContaining("--state-dir"),
    });
  });

  test("as a user without an account says that Nix needs one", async () => {
    await chown(store.directory, 54_321, 54_321);
    const report = await check({ as: user(54_321) });
    expect(report.exitCode).toBe(1);
    expect(finding(report, "store")).toMatchObject({
      status: "failure",
      change: expect.stringContaining("has an account"),
    });
  });

  test("from a directory that the user may not enter says that nothing starts there", async () => {
    const closed = join(directory, "closed");
    await mkdir(closed, { mode: 0o700 });
    const report = await check({ as: user(NOBODY), cwd: closed });
    expect(report.exitCode).toBe(1);
    expect(finding(report, "working directory").found).toContain(closed);
    expect(finding(report, "version").found).not.toContain("not on PATH");
  });

  test("from a directory that was removed says that nothing starts there, and looks at all the rest", async () => {
    const gone = join(directory, "gone");
    await mkdir(gone);
    const report = await check({ prepare: `rmdir ${gone}`, cwd: gone });
    expect(report.exitCode).toBe(1);
    expect(finding(report, "working directory").found).toContain("it was removed");
    expect(finding(report, "state directory").status).toBe("ok");
  });

  test("without control groups samples processes, enforces nothing and says so", async () => {
    const report = await check({ prepare: "mount -t tmpfs none /sys/fs/cgroup" });
    expect(failures(report)).toEqual([]);
    expect(report.exitCode).toBe(0);
    expect(finding(report, "control groups")).toMatchObject({
      status: "warning",
      found: "none can be seen",
    });
    expect(finding(report, "limits")).toMatchObject({ status: "warning", found: "enforced: none" });
  });

  test("with control groups that cannot be written does the same", async () => {
    const remount = "for group in /sys/fs/cgroup/*/; do mount -o remount,bind,ro $group; done";
    const report = await check({ prepare: remount });
    expect(report.exitCode).toBe(0);
    expect(finding(report, "control groups").found).toMatch(/^not writable: /);
    expect(finding(report, "measuring").status).toBe("warning");
  });

  test("where builds get no namespaces says what would give them some", async () => {
    // The kernel makes no user namespaces for who is in a chroot.
    const machine = join(directory, "machine");
    await mkdir(machine);
    const report = await check({
      prepare: `mount --rbind / ${machine}`,
      as: ["chroot", machine],
    });
    expect(report.exitCode).toBe(1);
    expect(finding(report, "build").status).toBe("failure");
    expect(finding(report, "build").change).toMatch(/namespaces/);
  });

  test("with a state directory on a file system that is read-only names it", async () => {
    const state = join(directory, "state");
    await mkdir(state);
    const report = await check({ prepare: `mount -t tmpfs -o ro none ${state}` });
    expect(failures(report)).toEqual(["state directory"]);
    expect(finding(report, "state directory").found).toContain(state);
  });

  test("without Nix says how to install it, and looks at all the rest", async () => {
    const report = await check({ as: ["env", "PATH=/nowhere"] });
    expect(report).toMatchObject({ exitCode: 1, canRun: false });
    expect(failures(report)).toEqual(["version", "git"]);
    expect(finding(report, "version").change).toContain("apt-get install nix-bin");
    expect(finding(report, "limits").status).toBe("ok");
  });
});
