import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { addSeed, expression } from "../support/expressions.ts";
import { NixRoot } from "../support/nix-root.ts";
import { commands } from "../support/programs.ts";
import { placeInMemory } from "./in-memory.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 15;
const EXPRESSION = expression(`{ hello = mk "hello" "echo hello > $out" { }; }`);

type CommandLine = readonly [command: string, ...argv: string[]];

/** What a run of the command line takes, where there is nothing to do or one trivial build. Each side has a store of its own. */
export async function aloneRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(placeInMemory(), "gradient-alone-"));
  try {
    await addSeed({ directory }, "alone");
    const file = join(directory, "git/alone/default.nix");
    await writeFile(file, EXPRESSION);
    const { command, argv } = commands.worker;
    const [ours, theirs] = [
      await timer([command, ...argv, "build", file, "--no-out-link"], join(directory, "ours")),
      await timer(["nix-build", file, "--no-out-link"], join(directory, "theirs")),
    ];
    return [
      await row("build alone, nothing to do", { ours, theirs, isBuilt: true }),
      await row("build alone, one trivial build", { ours, theirs, isBuilt: false }),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Runs a command with a salt. Resolves to the milliseconds that it took. */
type Timer = (salt: string) => Promise<number>;

async function timer([command, ...argv]: CommandLine, directory: string): Promise<Timer> {
  const { env } = await NixRoot.make(directory);
  const state = { GRADIENT_WORKER_DATA_DIR: join(directory, "state") };
  return async (salt) => {
    const startedAt = performance.now();
    await execa(command, [...argv, "--argstr", "salt", salt], {
      env: { ...env, ...state },
      extendEnv: false,
    });
    return performance.now() - startedAt;
  };
}

/** Both sides in turn; medians. */
async function row(
  what: string,
  { ours, theirs, isBuilt }: { ours: Timer; theirs: Timer; isBuilt: boolean },
): Promise<Row> {
  const times = { ours: [] as number[], theirs: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    const salt = isBuilt ? "0" : String(round);
    const [oursMs, theirsMs] = [await ours(salt), await theirs(salt)];
    // The first one makes the store, or builds what the others find.
    if (round === 0) continue;
    times.ours.push(oursMs);
    times.theirs.push(theirsMs);
  }
  return {
    what,
    unit: "ms",
    ours: median(times.ours),
    theirs: median(times.theirs),
    against: "nix-build",
    better: "less",
    target: null,
  };
}
