import { z } from "zod";
import { ProcessError } from "../process/process-error.ts";
import { runProcess } from "../process/run.ts";

/** Newer versions know the first, older ones only the second. */
const SHOW_CONFIG = [
  ["config", "show", "--json"],
  ["show-config", "--json"],
];
const TIMEOUT_MS = 30_000;

const configSchema = z.record(z.string(), z.object({ value: z.unknown() }));

/** Settings of Nix as they are in force, from its files and its environment. */
export class NixConfig {
  readonly #settings: z.infer<typeof configSchema>;

  constructor(settings: z.infer<typeof configSchema>) {
    this.#settings = settings;
  }

  /** null when this version does not have the setting, or has it in another shape. */
  text(name: string): string | null {
    const value = this.#settings[name]?.value;
    if (typeof value === "string") return value;
    return typeof value === "boolean" || typeof value === "number" ? String(value) : null;
  }

  /** Empty when this version does not have the setting, or has it in another shape. */
  list(name: string): readonly string[] {
    return z.array(z.string()).catch([]).parse(this.#settings[name]?.value);
  }
}

/** Asks Nix for its settings. null when it does not tell; rejects with a ProcessError when it is not there or hangs. */
export async function readNixConfig(
  environment: Readonly<Record<string, string>>,
): Promise<NixConfig | null> {
  for (const args of SHOW_CONFIG) {
    const settings = await showConfig(args, environment);
    if (settings !== null) return new NixConfig(settings);
  }
  return null;
}

async function showConfig(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<z.infer<typeof configSchema> | null> {
  try {
    const { stdout } = await runProcess({
      command: "nix",
      args: ["--extra-experimental-features", "nix-command", ...args],
      env,
      title: "nix show-config",
      timeoutMs: TIMEOUT_MS,
    });
    return configSchema.parse(JSON.parse(stdout.toString("utf8")));
  } catch (error) {
    if (error instanceof ProcessError && error.code === "process_failed") return null;
    throw error;
  }
}
