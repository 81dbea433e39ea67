import { chmod, cp, mkdir, mkdtemp, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { InputOverride } from "@gradient/protocol";
import { z } from "zod";
import type { NixStore, UsageMeter } from "../../ports.ts";
import { ProcessError } from "../../process/process-error.ts";
import { removeTree } from "../../process/remove-tree.ts";
import { runProcess } from "../../process/run.ts";
import { summarizeError } from "../error-text.ts";
import { EvaluationError } from "../evaluation-error.ts";
import type { NixInstallation } from "../installation.ts";

export interface OverrideTools {
  readonly nix: NixInstallation;
  readonly store: NixStore;
  readonly meter: UsageMeter;
  readonly stateDirectory: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** No evaluation lasts for so long. */
const LEFT_MS = 24 * 3600 * 1000;

/** The part of a lock file that says which inputs the flake itself has. */
const lockSchema = z.object({
  root: z.string(),
  nodes: z.record(z.string(), z.object({ inputs: z.record(z.string(), z.unknown()).optional() })),
});

/**
 * Makes a tree that is the flake with other inputs: Nix locks them anew, and everything else stays as the lock file has it.
 * Resolves to its store path. Rejects with an EvaluationError for an input that the flake does not have, for one that cannot be fetched, and
 * when other inputs would have to be locked as well.
 */
export async function overrideInputs(
  directory: string,
  overrides: readonly InputOverride[],
  tools: OverrideTools,
): Promise<string> {
  const folder = path.join(tools.stateDirectory, "flakes");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeOld(folder, tools.nix);
  const scratch = await mkdtemp(path.join(folder, "flake-"));
  try {
    const tree = path.join(scratch, "source");
    await cp(directory, tree, { recursive: true, verbatimSymlinks: true });
    // As it lies in the store, nothing may be written.
    await chmod(tree, 0o755);
    const lock = path.join(tree, "flake.lock");
    const before = await inputsOf(lock);
    await chmod(lock, 0o644).catch(() => undefined);
    await lockAnew(tree, overrides, tools);
    checkInputs(before, await inputsOf(lock), overrides);
    return await tools.store.addTree(tree, "source");
  } finally {
    await removeTree(scratch, tools.nix.environment);
  }
}

async function lockAnew(
  tree: string,
  overrides: readonly InputOverride[],
  { nix, meter, timeoutMs, signal }: OverrideTools,
): Promise<void> {
  // Only what is asked for by a name that only a registry knows may ask it.
  const usesRegistry = overrides.some(({ url }) => url.startsWith("flake:"));
  const line = [...meter.enter, "nix", "--extra-experimental-features", "nix-command flakes"];
  line.push("--option", "use-registries", String(usesRegistry));
  line.push("--option", "accept-flake-config", "false", "flake", "lock");
  for (const { input, url } of overrides) line.push("--override-input", input, url);
  line.push("--", "path:.");
  const [command = "", ...args] = line;
  try {
    const env = nix.environment;
    await runProcess({ command, args, title: "nix flake lock", timeoutMs, signal, env, cwd: tree });
  } catch (error) {
    if (!(error instanceof ProcessError) || error.code !== "process_failed") throw error;
    const { stderr } = error;
    // Nix only says that git failed.
    const [fatal = null] = /^fatal: .+$/m.exec(stderr) ?? [];
    const reason = [summarizeError(stderr, [tree]), fatal].filter((part) => part !== null);
    const message = `the inputs cannot be overridden: ${reason.join("\n")}`;
    throw new EvaluationError("bad_flake", message, error);
  }
}

/** Names of the flake's own inputs; none when there is no lock file. */
async function inputsOf(lock: string): Promise<ReadonlySet<string>> {
  const text = await readFile(lock, "utf8").catch(() => null);
  if (text === null) return new Set();
  const { root, nodes } = readLock(text);
  return new Set(Object.keys(nodes[root]?.inputs ?? {}));
}

function readLock(text: string): z.infer<typeof lockSchema> {
  try {
    return lockSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new EvaluationError("bad_flake", "flake.lock is not a lock file of Nix", error);
  }
}

function checkInputs(
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
  overrides: readonly InputOverride[],
): void {
  const overridden = new Set(overrides.map(({ input }) => input));
  for (const input of overridden) {
    if (after.has(input)) continue;
    const known = after.size === 0 ? "none" : [...after].join(", ");
    throw new EvaluationError("bad_flake", `the flake has no input '${input}'; it has ${known}`);
  }
  const unlocked = [...after].filter((input) => !before.has(input) && !overridden.has(input));
  if (unlocked.length === 0) return;
  throw new EvaluationError(
    "bad_flake",
    `not locked: ${unlocked.join(", ")}. Every other input has to be locked: run 'nix flake lock' and send flake.lock, too`,
  );
}

/** What a worker that was killed has left. */
async function removeOld(folder: string, nix: NixInstallation): Promise<void> {
  for (const name of await readdir(folder)) {
    const left = path.join(folder, name);
    const facts = await stat(left).catch(() => null);
    if (facts !== null && Date.now() - facts.mtimeMs > LEFT_MS)
      await removeTree(left, nix.environment);
  }
}
