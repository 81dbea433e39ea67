import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SlotBuilder } from "../builder/slot-builder.ts";
import type { AloneConfig } from "../config/load.ts";
import { describeMachine, machineSize } from "../config/machine.ts";
import { DEFAULT_STATE_DIRECTORY } from "../config/settings.ts";
import { readSigningKey } from "../identity/signing-key.ts";
import { openBuildSlot } from "../nix/build-slot.ts";
import { readConfiguredLimits } from "../nix/configured-limits.ts";
import { evaluatorSize, openEvaluator } from "../nix/evaluate.ts";
import { type NixInstallation, findNix } from "../nix/installation.ts";
import { NixVersion } from "../nix/nix-version.ts";
import { NixSigner } from "../nix/sign.ts";
import { openNixStore } from "../nix/store.ts";
import { openSubstituter } from "../nix/substituter.ts";
import type { Builder, Evaluator, NixStore, Signer, Substituter, UsageMeters } from "../ports.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { permissionHint } from "./permission-hint.ts";
import type { LimitBounds } from "./planner.ts";
import { openStateDirectory } from "./state-directory.ts";

const ROOTS_NAME = "gradient-worker-alone";

/** What the commands that need no coordinator work with. */
export interface AloneTools {
  /** What Nix builds for here when nothing else is said; asks Nix at the first call. */
  readonly system: () => Promise<string>;
  /** For every build, where Nix's configuration has some; asks Nix then. */
  readonly configuredLimits: () => Promise<LimitBounds>;
  readonly store: NixStore;
  readonly substituter: Substituter;
  readonly evaluator: Evaluator;
  readonly builder: Builder;
  /** Builds at the same time. */
  readonly slots: number;
  readonly meters: UsageMeters;
  /** null when this machine's worker has no key: none is made for the sake of a build by hand. */
  readonly signer: Signer | null;
  /** Owns the roots of this run. They go when it ends. */
  readonly rootOwner: string;
  /** What to do about an error, to be said behind it; empty when that is not known. */
  readonly hintFor: (error: string) => string;
}

/** Opens them, lends them, closes them. */
export async function withAloneTools<T>(
  {
    config,
    environment,
    asksSubstituters,
  }: {
    config: AloneConfig;
    environment: Readonly<Record<string, string | undefined>>;
    /** Then the process that does it starts before all else. */
    asksSubstituters: boolean;
  },
  work: (tools: AloneTools) => Promise<T>,
): Promise<T> {
  await using state = await openStateDirectory({
    given: config.stateDir,
    usual: DEFAULT_STATE_DIRECTORY,
    environment,
  });
  const nix = findNix({ store: config.store ?? environment["NIX_REMOTE"] ?? "", environment });
  await using substituter = openSubstituter(nix);
  if (asksSubstituters) substituter.prepare();
  await using meters = await openUsageMeters({ daemonSocket: nix.daemonSocket });
  const size = machineSize();
  const slots = config.maxConcurrentBuilds ?? size.cores;
  await using store = openNixStore({ nix, rootsName: ROOTS_NAME, stateDirectory: state.path });
  await using roots = await claimRoots(store);
  await using builder = new SlotBuilder({
    slots,
    openSlot: () => openBuildSlot(nix),
    meters,
  });
  return await work({
    configuredLimits: () => readConfiguredLimits(nix),
    system: async () => (await describeMachine(nix.environment)).systems[0] ?? "",
    store,
    substituter,
    evaluator: openEvaluator({
      nix,
      version: new NixVersion(nix),
      store,
      stateDirectory: state.path,
      ...evaluatorSize(size, config),
      // A message of the evaluation says it, too.
      onUnforeseen: () => {},
    }),
    builder,
    slots,
    meters,
    signer: await openSigner(state.path, nix, store),
    rootOwner: roots.owner,
    hintFor: (error) => permissionHint(error, nix),
  });
}

/** An owner of roots for this run. What runs that were killed have left is removed: their owners begin with their process ids. */
async function claimRoots(store: NixStore): Promise<AsyncDisposable & { owner: string }> {
  for (const owner of await store.rootOwners()) {
    if (!isAlive(Number.parseInt(owner, 10))) await store.removeRoots(owner);
  }
  const owner = `${process.pid}-${randomUUID()}`;
  return { owner, [Symbol.asyncDispose]: () => store.removeRoots(owner) };
}

async function openSigner(
  stateDirectory: string,
  nix: NixInstallation,
  store: NixStore,
): Promise<Signer | null> {
  const keyFile = join(stateDirectory, "signing-key");
  if (!existsSync(keyFile)) return null;
  const { publicKey } = await readSigningKey(keyFile);
  return new NixSigner({ nix, store, keyFile, publicKey, isBuilding: () => false });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not ours to signal, but there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
