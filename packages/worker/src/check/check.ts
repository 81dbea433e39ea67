import { tmpdir } from "node:os";
import type { UsageRecord } from "@gradient/protocol";
import type { CheckConfig } from "../config/load.ts";
import { reasonOf } from "../error-facts.ts";
import type { UsageMeters } from "../ports.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { checkEvaluators, checkGroups, checkMeters } from "./accounting.ts";
import { checkBuilds, checkBuildUsers, checkOffer } from "./builds.ts";
import { checkCoordinator } from "./coordinator.ts";
import { checkFetchTools } from "./fetch-tools.ts";
import { type Area, type Finding, Findings } from "./finding.ts";
import { checkIdentity } from "./identity.ts";
import { checkDisk, checkMachine, checkWorkingDirectory } from "./machine.ts";
import { checkNix, type FoundNix } from "./nix.ts";

export interface CheckRequest {
  readonly config: CheckConfig;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Looks at everything that a worker needs. It leaves nothing behind but two tiny derivations in the store, and never
 * rejects: that something cannot be looked at is a finding, too.
 */
export async function runChecks(request: CheckRequest): Promise<Finding[]> {
  const { config, environment } = request;
  const areas = await Promise.all([
    look("machine", async (findings) => {
      checkMachine(findings);
      await checkWorkingDirectory(findings);
      await checkDisk(findings, "state", config.stateDir);
    }),
    lookAtNix(request),
    look("fetch", (findings) =>
      checkFetchTools(findings, { environment, isFetching: config.capabilityFetch }),
    ),
    look("identity", (findings) => checkIdentity(findings, config)),
    look("coordinator", (findings) => checkCoordinator(findings, config.server)),
  ]);
  return areas.flatMap(({ findings }) => findings);
}

/** Tiny builds are measured as a worker measures its builds: what was seen of them tells how good that is here. */
async function lookAtNix({
  config,
  environment,
}: CheckRequest): Promise<Pick<Look<unknown>, "findings">> {
  const nix = await look("nix", (findings) =>
    checkNix(findings, { store: config.store, environment }),
  );
  const daemonSocket = nix.result?.nix.daemonSocket ?? null;
  const opened = await look("accounting", () => openUsageMeters({ daemonSocket }));
  await using meters = opened.result;
  const builds = await look("nix", (findings) =>
    lookAtBuilds(findings, nix.result, { config, meters }),
  );
  const accounting = await look("accounting", async (findings) => {
    await checkGroups(findings);
    if (meters === null) return;
    checkMeters(findings, meters, builds.result);
    const isRoot = process.getuid?.() === 0;
    await checkEvaluators(findings, meters, { isBehindDaemon: daemonSocket !== null, isRoot });
  });
  return { findings: [nix, builds, opened, accounting].flatMap((each) => each.findings) };
}

async function lookAtBuilds(
  findings: Findings,
  found: FoundNix | null,
  { config, meters }: { config: CheckConfig; meters: UsageMeters | null },
): Promise<UsageRecord | null> {
  if (found === null) return null;
  await checkOffer(findings, found, config);
  await checkBuildUsers(findings, found, config);
  const usage = meters === null ? null : await checkBuilds(findings, found, meters);
  await checkDisk(findings, "store", found.nix.physicalStoreDirectory);
  await checkDisk(findings, "builds", buildDirectory(found));
  return usage;
}

/** Where Nix builds: its setting, or the place of temporary files. */
function buildDirectory({ nix, config }: FoundNix): string {
  return config?.text("build-dir") ?? nix.environment["TMPDIR"] ?? tmpdir();
}

interface Look<Result> {
  readonly findings: readonly Finding[];
  /** null when not everything could be looked at. */
  readonly result: Result | null;
}

async function look<Result>(
  area: Area,
  work: (findings: Findings) => Promise<Result>,
): Promise<Look<Result>> {
  const findings = new Findings(area);
  try {
    const result = await work(findings);
    return { findings: findings.list, result };
  } catch (error) {
    const found = `not everything could be looked at: ${reasonOf(error)}`;
    findings.warning(area, found, "put right what the message says, or report it as a fault");
    return { findings: findings.list, result: null };
  }
}
