import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BuildLimits, UsageRecord } from "@gradient/protocol";
import { SlotBuilder } from "../builder/slot-builder.ts";
import { openBuildSlot } from "../nix/build-slot.ts";
import type { NixInstallation } from "../nix/installation.ts";
import type { BuildEnd, UsageMeters } from "../ports.ts";
import { runProcess } from "../process/run.ts";

const INSTANTIATE_TIMEOUT_MS = 30_000;
const LIMITS: BuildLimits = {
  timeoutSeconds: 60,
  maxSilentSeconds: 60,
  cores: 1,
  memoryBytes: null,
};

/**
 * Derivations without any input. The first is built by Nix itself, within a sandbox where there is one, so it works where
 * a sandbox works at all. The second asks for the shell that many packages expect in a sandbox, and tells where it is.
 */
const DERIVATIONS = {
  builtin: `builder = "builtin:buildenv"; derivations = ""; manifest = "/nothing";`,
  shell: `builder = "/bin/sh"; args = [ "-c" "echo \\"$NIX_BUILD_TOP\\"; echo > $out" ];`,
} as const;

export interface TrialBuild {
  readonly end: BuildEnd;
  readonly usage: UsageRecord;
  readonly log: string;
}

/** Builds go through a slot as a worker's do. Rejects when Nix cannot even be asked. */
export class TrialBuilds implements AsyncDisposable {
  readonly #nix: NixInstallation;
  readonly #builder: SlotBuilder;
  readonly #directory: string;

  private constructor(nix: NixInstallation, meters: UsageMeters, directory: string) {
    this.#nix = nix;
    this.#directory = directory;
    this.#builder = new SlotBuilder({ slots: 1, openSlot: () => openBuildSlot(nix), meters });
  }

  static async open(nix: NixInstallation, meters: UsageMeters): Promise<TrialBuilds> {
    const directory = await mkdtemp(path.join(tmpdir(), "gradient-check-"));
    return new TrialBuilds(nix, meters, directory);
  }

  async build(kind: keyof typeof DERIVATIONS): Promise<TrialBuild> {
    const drvPath = await this.#instantiate(kind);
    let log = "";
    const { end, usage } = await this.#builder.build({
      name: `check-${kind}`,
      drvPath,
      inputs: [],
      limits: LIMITS,
      onStart: () => {},
      onLog: (text) => {
        log += text;
      },
      signal: AbortSignal.timeout(INSTANTIATE_TIMEOUT_MS * 4),
    });
    return { end, usage, log };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#builder[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Never the same twice: what is built already would not be built again. */
  async #instantiate(kind: keyof typeof DERIVATIONS): Promise<string> {
    const text = `derivation {
      name = "gradient-worker-check-${kind}";
      system = builtins.currentSystem;
      once = "${process.pid}-${Date.now()}";
      ${DERIVATIONS[kind]}
    }`;
    const { stdout } = await runProcess({
      command: "nix-instantiate",
      args: ["--expr", text],
      env: this.#nix.environment,
      timeoutMs: INSTANTIATE_TIMEOUT_MS,
    });
    return stdout.toString().trim();
  }
}
