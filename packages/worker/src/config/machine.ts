import { arch, availableParallelism, platform, totalmem } from "node:os";
import { z } from "zod";
import { ProcessError } from "../process/process-error.ts";
import { runProcess } from "../process/run.ts";

/** What a machine can build, unless settings say otherwise. */
export interface Machine {
  readonly systems: readonly string[];
  readonly systemFeatures: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
}

const nixConfigSchema = z.object({
  system: z.object({ value: z.string() }),
  "extra-platforms": z.object({ value: z.array(z.string()) }).optional(),
  "system-features": z.object({ value: z.array(z.string()) }),
});

/** Newer versions know the first, older ones only the second. */
const SHOW_CONFIG = [
  ["config", "show", "--json"],
  ["show-config", "--json"],
];
const TIMEOUT_MS = 30_000;

/** Asks Nix what it can build, and the machine for its size. */
export async function describeMachine(
  environment: Readonly<Record<string, string>>,
): Promise<Machine> {
  const size = { cores: availableParallelism(), memoryBytes: usableMemory() };
  for (const args of SHOW_CONFIG) {
    const config = await showConfig(args, environment);
    if (config) {
      const systems = [config.system.value, ...(config["extra-platforms"]?.value ?? [])];
      const systemFeatures = config["system-features"].value;
      return { ...size, systems: [...new Set(systems)], systemFeatures };
    }
  }
  return { ...size, systems: [hostSystem()], systemFeatures: [] };
}

async function showConfig(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<z.infer<typeof nixConfigSchema> | null> {
  try {
    const { stdout } = await runProcess({
      command: "nix",
      args: ["--extra-experimental-features", "nix-command", ...args],
      env,
      title: "nix show-config",
      timeoutMs: TIMEOUT_MS,
    });
    return nixConfigSchema.parse(JSON.parse(stdout.toString("utf8")));
  } catch (error) {
    if (error instanceof ProcessError && error.code === "process_failed") return null;
    throw error;
  }
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
