import { availableParallelism } from "node:os";
import type { UsageRecord } from "@gradient/protocol";
import type { CheckConfig } from "../config/load.ts";
import { decideOutcome } from "../outcome.ts";
import type { UsageMeters } from "../ports.ts";
import { runProcess } from "../process/run.ts";
import { type FoundNix, wordsOf } from "./nix.ts";
import type { Findings } from "./finding.ts";
import { canUse } from "./directories.ts";
import { type TrialBuild, TrialBuilds } from "./trial-build.ts";

const GETENT_TIMEOUT_MS = 10_000;
const NO_NAMESPACES = /namespace|unshare|clone|CLONE_|mount|pivot_root|Operation not permitted/i;
const SHELL =
  "install busybox-static and write 'sandbox-paths = /bin/sh=/usr/bin/busybox' into nix.conf";

/** Builds two tiny derivations. Resolves to what the first one used; null when it could not be built. */
export async function checkBuilds(
  findings: Findings,
  found: FoundNix,
  meters: UsageMeters,
): Promise<UsageRecord | null> {
  try {
    await using trials = await TrialBuilds.open(found.nix, meters);
    const first = await trials.build("builtin");
    const second = await trials.build("shell");
    tellBuild(findings, first);
    tellSandbox(findings, { first, second }, found);
    return wasBuilt(first) ? first.usage : null;
  } catch (error) {
    findings.failure("build", wordsOf(error), "put right what Nix says here");
    return null;
  }
}

function wasBuilt({ end, usage }: TrialBuild): boolean {
  return decideOutcome(end, usage).outcome === "built";
}

function tellBuild(findings: Findings, trial: TrialBuild): void {
  const { startedAt, stoppedAt, message } = trial.end;
  if (wasBuilt(trial)) {
    findings.ok("build", `a derivation without inputs was built in ${stoppedAt - startedAt} ms`);
    return;
  }
  const words = lastLine(message ?? "Nix did not say why");
  findings.failure("build", words, adviceFor(words));
}

function adviceFor(words: string): string {
  // Some packages of Nix name a shell of their distribution in sandbox-paths, and do not bring it.
  if (/No such file or directory/.test(words)) {
    return `a file of 'sandbox-paths' is not there: install it, or ${SHELL}`;
  }
  if (/build users group|nixbld/.test(words)) {
    return "make the group nixbld with one member for each build at a time ('npm run setup' as root does), or set 'build-users-group =' in nix.conf";
  }
  if (/world-writable/.test(words)) {
    return "put the store below directories that only their owner can write";
  }
  if (NO_NAMESPACES.test(words)) {
    return "this machine gives no namespaces to builds: allow them (in a container: --privileged, or user namespaces), or set 'sandbox = false' in nix.conf and trust what is built";
  }
  return "put right what Nix says here";
}

function tellSandbox(
  findings: Findings,
  { first, second }: { first: TrialBuild; second: TrialBuild },
  { config }: FoundNix,
): void {
  const setting = config?.text("sandbox") ?? "unknown";
  if (setting === "false") {
    findings.warning(
      "sandbox",
      "off: builds see this machine's files and its network",
      "set 'sandbox = true' in nix.conf",
    );
    return;
  }
  if (!wasBuilt(first)) {
    findings.failure("sandbox", `${setting} in nix.conf, and no build works`, "see 'build' above");
    return;
  }
  if (!wasBuilt(second)) {
    findings.warning("sandbox", "on, but /bin/sh does not run in it", SHELL);
    return;
  }
  // In a sandbox Nix calls it so; outside it is a directory with the derivation's name.
  const isInside = second.log.split("\n").includes("/build");
  if (isInside) findings.ok("sandbox", "on, with /bin/sh in it");
  else {
    findings.warning(
      "sandbox",
      `nix.conf says '${setting}', and builds run without one: this machine gives no namespaces`,
      "allow namespaces (in a container: --privileged, or user namespaces), and set 'sandbox-fallback = false' in nix.conf",
    );
  }
}

/** The accounts that builds run under. Only a worker that is root and writes the store itself needs them. */
export async function checkBuildUsers(
  findings: Findings,
  { nix, config }: FoundNix,
  settings: Pick<CheckConfig, "maxConcurrentBuilds">,
): Promise<void> {
  if (nix.daemonSocket !== null || process.getuid?.() !== 0) return;
  const group = config?.text("build-users-group") ?? "";
  if (group === "") {
    findings.warning(
      "build users",
      "none: builds run as root, apart from each other only by the sandbox",
      "set 'build-users-group = nixbld' in nix.conf, with a group of accounts that nothing else uses",
    );
    return;
  }
  const wanted = settings.maxConcurrentBuilds ?? availableParallelism();
  const members = await membersOf(group, nix.environment);
  const change = `make ${wanted} accounts in the group ${group} ('npm run setup' as root makes ten)`;
  if (members === null) findings.failure("build users", `there is no group ${group}`, change);
  else if (members === 0) findings.failure("build users", `${group} has no members`, change);
  else if (members < wanted) {
    findings.warning("build users", `${members} in ${group}, for ${wanted} builds at once`, change);
  } else findings.ok("build users", `${members} in ${group}`);
}

/** null when there is no such group. */
async function membersOf(
  group: string,
  env: Readonly<Record<string, string>>,
): Promise<number | null> {
  try {
    const { stdout } = await runProcess({
      command: "getent",
      args: ["group", group],
      env,
      timeoutMs: GETENT_TIMEOUT_MS,
    });
    const members = stdout.toString().trim().split(":")[3] ?? "";
    return members.split(",").filter((name) => name !== "").length;
  } catch {
    return null;
  }
}

/** What may be built here, and where inputs come from. */
export async function checkOffer(
  findings: Findings,
  { config }: FoundNix,
  settings: Pick<CheckConfig, "systems" | "systemFeatures">,
): Promise<void> {
  const own = [config?.text("system") ?? "", ...(config?.list("extra-platforms") ?? [])];
  const systems = settings.systems ?? own.filter((system) => system !== "");
  findings.ok("systems", systems.join(", "));
  const features = settings.systemFeatures ?? config?.list("system-features") ?? [];
  const named = features.length === 0 ? "none" : features.join(", ");
  if (features.includes("kvm") && !(await canUse("/dev/kvm"))) {
    findings.warning(
      "features",
      `${named}; but /dev/kvm cannot be used`,
      "leave kvm out of --system-features, or let builds use /dev/kvm",
    );
  } else findings.ok("features", named);
  const substituters = config?.list("substituters") ?? [];
  findings.ok(
    "substituters",
    `${substituters.join(", ") || "none"} in nix.conf; builds for a coordinator use only what it names`,
  );
}

function lastLine(text: string): string {
  const lines = text.trim().split("\n");
  return (lines.findLast((line) => line.includes("error:")) ?? lines.at(-1) ?? "").trim();
}
