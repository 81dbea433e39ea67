import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { evaluateSystem } from "../support/nixos.ts";
import { root } from "../support/programs.ts";

const WILDCARD = "nixosConfigurations.*.config.system.build.toplevel";

/** Of another machine: the evaluation as a whole is red. */
const RED = `nixosConfigurations.web2.config.system.build.toplevel = mk "web2" "exit 1" { };`;

/** Only root can put a store at /nix. */
const isRoot = process.getuid?.() === 0;

let farm: TestFarm;
let directory: string;
/** The machine's store: seen at /nix/store by what runs on it. */
let machine: NixRoot;
let cacheKey: string;

/** A system: what a NixOS system's closure has, as far as a deployment needs it. It notes that it was switched to. */
function configuration(name: string, also = ""): string {
  return expression(`{
    nixosConfigurations.web1.config.system.build.toplevel = mk "nixos-system-web1" ''
      $busybox mkdir -p $out/bin
      echo "$switch" > $out/bin/switch-to-configuration
      $busybox chmod +x $out/bin/switch-to-configuration
    '' {
      busybox = "\${seed}/busybox";
      switch = "#!\${seed}/busybox sh\necho ${name} $1 >> $MACHINE/switched; echo ${name} > $MACHINE/running";
    };
    ${also}
  }`);
}

beforeAll(async () => {
  farm = await TestFarm.start();
  directory = await mkdtemp(join(tmpdir(), "gradient-deploy-"));
  machine = await NixRoot.make(join(directory, "store"));
  await mkdir(join(directory, "store/nix"), { recursive: true });
  await mkdir(join(directory, "state"));
  await mkdir(join(directory, "credentials"));
  await writeFile(join(directory, "credentials/api-key"), `${farm.api.token}\n`, { mode: 0o600 });
  await writeFile(join(directory, "switched"), "");
  await farm.addWorker("alpha");
  await farm.addFilesProject("machines", WILDCARD, { "default.nix": configuration("one") });
  cacheKey = (await farm.cache()).publicKey;
  // The machine shows its key to the cache, too.
  await farm.api.call("DELETE", "/caches/main/public");
});

afterAll(async () => {
  await farm[Symbol.asyncDispose]();
  await machine.remove();
  await rm(directory, { recursive: true, force: true });
});

/** Commits another configuration and evaluates it. Resolves to the evaluation's state. */
async function publish(text: string): Promise<string> {
  await commit(text);
  return evaluated();
}

async function commit(text: string): Promise<void> {
  const repository = join(farm.directory, "git/machines");
  await writeFile(join(repository, "default.nix"), text);
  const author = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"];
  await execa("git", ["-C", repository, ...author, "commit", "--quiet", "--all", "--message=Next"]);
}

async function evaluated(): Promise<string> {
  return (await farm.ended(await farm.evaluate("machines"), 60_000)).status;
}

/** Runs what the unit runs, with the unit's environment, on the machine. */
async function deploy({ key = cacheKey, branch = "null" } = {}): Promise<{
  exitCode: number | undefined;
  report: Report;
  said: string;
}> {
  const { services } = await evaluateSystem(`{
    system.gradient-deploy = {
      enable = true; server = "${farm.url}"; apiKeyFile = "/run/secrets/key"; project = "acme/machines"; deployFor = "web1";
      substituters = [ "${farm.url}/cache/main" ]; trustedPublicKeys = [ "${key}" ]; branch = ${branch};
      healthCheck = { command = "! grep -q sick $MACHINE/running"; timeoutSec = 1; };
    };
  }`);
  const inside = `mkdir -p /nix && mount --bind ${machine.directory}/nix /nix && exec bash ${root}/nixos-module/deploy.sh`;
  const ran = await execa("unshare", ["--mount", "sh", "-c", inside], {
    reject: false,
    env: {
      ...services["gradient-deploy"]?.environment,
      NIX_CONF_DIR: machine.env["NIX_CONF_DIR"] ?? "",
      XDG_CACHE_HOME: join(directory, "cache"),
      HOME: directory,
      STATE_DIRECTORY: join(directory, "state"),
      CREDENTIALS_DIRECTORY: join(directory, "credentials"),
      MACHINE: directory,
    },
  });
  const text = await readFile(join(directory, "state/report.json"), "utf8").catch(() => ran.stderr);
  return { exitCode: ran.exitCode, report: JSON.parse(text) as Report, said: ran.stderr };
}

interface Report {
  outcome: string;
  message: string;
  path: string;
  commit: string;
}

/** Which system the profile names, and which ones were switched to so far. */
async function running(): Promise<{ profile: string; switched: string }> {
  const profiles = join(machine.directory, "nix/var/nix/profiles");
  const generation = await readlink(join(profiles, "system"));
  return {
    profile: await readlink(join(profiles, generation)),
    switched: await readFile(join(directory, "switched"), "utf8"),
  };
}

test.runIf(isRoot)(
  "a machine follows what is green and healthy, and nothing else",
  async () => {
    expect((await deploy()).report).toMatchObject({ outcome: "unchanged" });

    expect(await evaluated()).toBe("Completed");
    const first = await deploy();
    expect(first).toMatchObject({ exitCode: 0, report: { outcome: "deployed" } });
    expect(await running()).toEqual({ profile: first.report.path, switched: "one switch\n" });
    expect((await deploy()).report.outcome).toBe("unchanged");

    expect(await publish(configuration("red", RED))).toBe("Failed");
    expect((await deploy()).report.outcome).toBe("unchanged");
    expect((await running()).switched).toBe("one switch\n");

    expect(await publish(configuration("sick"))).toBe("Completed");
    const sick = await deploy();
    expect(sick).toMatchObject({ exitCode: 1, report: { outcome: "rolled-back" } });
    expect(await running()).toEqual({
      profile: first.report.path,
      switched: "one switch\nsick switch\none switch\n",
    });
    const again = await deploy();
    expect(again).toMatchObject({ exitCode: 0, report: { outcome: "unchanged" } });
    expect(again.report.message).toContain("has failed here before");

    expect(await publish(configuration("two"))).toBe("Completed");
    const unsigned = await deploy({ key: `other-1:${"A".repeat(43)}=` });
    expect(unsigned).toMatchObject({ exitCode: 1, report: { outcome: "failed" } });
    expect(unsigned.report.message).toContain("signature of a trusted key");
    expect((await running()).profile).toBe(first.report.path);

    const second = await deploy();
    expect(second).toMatchObject({ exitCode: 0, report: { outcome: "deployed" } });
    expect((await running()).switched).toMatch(/two switch\n$/);
  },
  240_000,
);

test.runIf(isRoot)(
  "a machine that follows a branch takes that branch's evaluations alone",
  async () => {
    const repository = join(farm.directory, "git/machines");
    await execa("git", ["-C", repository, "checkout", "--quiet", "-b", "production"]);
    await commit(configuration("production"));
    await execa("git", ["-C", repository, "checkout", "--quiet", "main"]);
    const polling = { type: "polling", interval_secs: 3600, branch: "production" };
    const path = "/projects/acme/machines/triggers";
    const trigger = await farm.api.call<{ id: string }>("POST", path, { config: polling });
    await farm.api.call("POST", `${path}/${trigger.id}/test`);
    const evaluation = await eventually("the branch's evaluation", 30_000, async () => {
      const all = await farm.api.call<{ id: string; reference: string | null }[]>(
        "GET",
        "/projects/acme/machines/evaluations",
      );
      return all.find((each) => each.reference === "refs/heads/production")?.id ?? null;
    });
    expect((await farm.ended(evaluation, 60_000)).status).toBe("Completed");

    const before = await running();
    expect((await deploy()).report.outcome).toBe("unchanged");
    expect(await running()).toEqual(before);
    expect((await deploy({ branch: '"production"' })).report.outcome).toBe("deployed");
    expect((await running()).switched).toMatch(/production switch\n$/);
  },
  120_000,
);
