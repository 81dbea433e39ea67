import { arch, availableParallelism, platform, totalmem } from "node:os";
import { readNixConfig } from "../nix/nix-config.ts";

/** What a machine can build, unless settings say otherwise. */
export interface Machine {
  readonly systems: readonly string[];
  readonly systemFeatures: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
}

/** Asks Nix what it can build, and the machine for its size. */
export async function describeMachine(
  environment: Readonly<Record<string, string>>,
): Promise<Machine> {
  const config = await readNixConfig(environment);
  const systems = [
    config?.text("system") ?? hostSystem(),
    ...(config?.list("extra-platforms") ?? []),
  ];
  return {
    ...machineSize(),
    systems: [...new Set(systems)],
    systemFeatures: config?.list("system-features") ?? [],
  };
}

/** What the process may use, not what the machine has: affinity and the control group's limit of memory count. */
export function machineSize(): Pick<Machine, "cores" | "memoryBytes"> {
  return { cores: availableParallelism(), memoryBytes: usableMemory() };
}

/** Less than the machine has when a control group says so. */
function usableMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function hostSystem(): string {
  const processor = { x64: "x86_64", arm64: "aarch64", ia32: "i686" }[String(arch())] ?? arch();
  return `${processor}-${platform()}`;
}
