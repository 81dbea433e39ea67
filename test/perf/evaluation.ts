import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { z } from "zod";
import { NixRoot } from "../support/nix-root.ts";
import { commands, root } from "../support/programs.ts";
import { watched } from "./core-time.ts";
import { placeInMemory } from "./in-memory.ts";
import type { Row } from "./report.ts";

const PROCESSES = 2;
const ROUNDS = 5;
/** A small set, in which the start of the program counts, and a large one. */
const SIZES = [400, 1600] as const;
const LARGE_ATTRIBUTES = 80;
const MEBIBYTE = 1024 * 1024;
const CEILING_BYTES = 192 * MEBIBYTE;

/** Each attribute costs some milliseconds, as a package of a large set does, and has a derivation of its own beside shared ones. */
const costlySet = (attributes: number): string => `let
  plain = name: attributes: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // attributes);
  shared = builtins.genList (n: plain "shared-\${toString n}" { before = if n == 0 then "" else builtins.elemAt shared (n - 1); }) 100;
  text = n: builtins.foldl' (all: i: builtins.hashString "sha256" (all + toString (i * n))) "" (builtins.genList (i: i) 12000);
  package = n: plain "package-\${toString n}" {
    text = text n;
    inputs = builtins.genList (i: builtins.elemAt shared (n + i - (n + i) / 100 * 100)) 3;
    source = plain "source-\${toString n}" { };
  };
in builtins.listToAttrs (builtins.genList (n: { name = "package-\${toString n}"; value = package n; }) ${attributes})`;

/** What each attribute needs stays reachable, so that no collection helps. */
const LARGE_SET = `let
  list = n: builtins.foldl' (all: i: builtins.seq i all) (builtins.genList (i: { inherit i n; name = "\${toString n}-\${toString i}"; }) 40000) [ ];
  kept = builtins.genList (n: let it = list n; in builtins.seq (builtins.foldl' (sum: each: sum + builtins.stringLength each.name) 0 it) it) ${LARGE_ATTRIBUTES};
  package = n: derivation { name = "large-\${toString n}"; system = "x86_64-linux"; builder = "/bin/sh"; length = builtins.length (builtins.elemAt kept n); };
in builtins.listToAttrs (builtins.genList (n: { name = "large-\${toString n}"; value = package n; }) ${LARGE_ATTRIBUTES})`;

interface Evaluation {
  wallMs: number;
  firstMs: number;
  found: number;
  failed: number;
}

class Bench implements AsyncDisposable {
  readonly #directory: string;
  readonly #searchPath: string;
  #stores = 0;

  private constructor(directory: string, searchPath: string) {
    this.#directory = directory;
    this.#searchPath = searchPath;
  }

  /** `searchPath` says which Nix. */
  static async make(searchPath = process.env["PATH"] ?? ""): Promise<Bench> {
    const directory = await mkdtemp(join(placeInMemory(), "gradient-eval-"));
    for (const size of SIZES) await writeFile(join(directory, costlyFile(size)), costlySet(size));
    await writeFile(join(directory, "large.nix"), LARGE_SET);
    return new Bench(directory, searchPath);
  }

  async ours(file: string, settings: Readonly<Record<string, string>> = {}): Promise<Evaluation> {
    const root = await this.#store();
    const { command, argv } = commands.worker;
    const startedAt = performance.now();
    const child = spawn(
      command,
      [...argv, "eval", join(this.#directory, file), "--pattern", "*", "--json"],
      {
        env: {
          ...root.env,
          GRADIENT_WORKER_DATA_DIR: join(root.directory, "state"),
          GRADIENT_EVAL_FORK_WORKERS: String(PROCESSES),
          ...settings,
        },
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    const result = { wallMs: 0, firstMs: Number.NaN, found: 0, failed: 0 };
    for await (const line of createInterface({ input: child.stdout })) {
      if (Number.isNaN(result.firstMs)) result.firstMs = performance.now() - startedAt;
      if (/"outcome":"derivation"/.test(line)) result.found += 1;
      else result.failed += 1;
    }
    return { ...result, wallMs: performance.now() - startedAt };
  }

  /** Resolves to the time that it took, and to the size of its heap at the end. */
  async plain(file: string): Promise<{ wallMs: number; heapBytes: number }> {
    const root = await this.#store();
    const startedAt = performance.now();
    const { stderr } = await instantiate(root, [join(this.#directory, file)]);
    const wallMs = performance.now() - startedAt;
    const stats = statsSchema.parse(JSON.parse(stderr.slice(stderr.indexOf("{"))));
    return { wallMs, heapBytes: stats.gc.heapSize };
  }

  /** One process of Nix for each part of the set, with a store of its own. Resolves to the time that it took. */
  async apart(file: string): Promise<number> {
    const roots = await Promise.all(Array.from({ length: PROCESSES }, () => this.#store()));
    const set = `import ${join(this.#directory, file)}`;
    const startedAt = performance.now();
    await Promise.all(roots.map((root, part) => instantiate(root, ["-E", partOf(set, part)])));
    return performance.now() - startedAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Both sides write every derivation. */
  async #store(): Promise<NixRoot> {
    this.#stores += 1;
    const root = await NixRoot.make(join(this.#directory, `store-${this.#stores}`));
    root.env["PATH"] = this.#searchPath;
    return root;
  }
}

function instantiate(root: NixRoot, args: readonly string[]): Promise<{ stderr: string }> {
  const env = { ...root.env, NIX_SHOW_STATS: "1" };
  return execa("nix-instantiate", args, { env, extendEnv: false });
}

function partOf(set: string, part: number): string {
  return `let all = builtins.attrValues (${set}); size = builtins.length all / ${PROCESSES};
    in builtins.genList (n: builtins.elemAt all (n + ${part} * size)) size`;
}

const statsSchema = z.object({ gc: z.object({ heapSize: z.number() }) });

function costlyFile(attributes: number): string {
  return `costly-${attributes}.nix`;
}

/** Evaluation of sets with several processes against one `nix-instantiate`, and of one that needs more memory than a process may have. */
export async function evaluationRows(): Promise<Row[]> {
  await using bench = await Bench.make();
  const rows: Row[] = [];
  for (const size of SIZES) rows.push(...(await costlyRows(bench, size)));
  rows.push(...(await newestRows()), ...(await ceilingRows(bench)));
  return rows;
}

/** The same with the newest Nix that tests have installed: it asks its store more. */
async function newestRows(): Promise<Row[]> {
  const { installedNixReleases } = (await import(join(root, "scripts/lib/nix-releases.mjs"))) as {
    installedNixReleases: () => Record<string, string>;
  };
  const [release, directory] = Object.entries(installedNixReleases()).at(-1) ?? [];
  if (directory === undefined) return [];
  await using bench = await Bench.make(`${join(directory, "bin")}:${process.env["PATH"]}`);
  return await costlyRows(bench, SIZES[0], `, Nix ${release}`);
}

async function costlyRows(bench: Bench, attributes: number, suffix = ""): Promise<Row[]> {
  const rounds = await costlyRounds(bench, attributes);
  const what = `evaluation of ${attributes} attributes, ${PROCESSES} processes`;
  const first = `first of ${attributes} attributes out${suffix}`;
  return [
    costlyRow(`${what}${suffix}`, rounds, 0.667),
    costlyRow(`${what} of Nix, apart${suffix}`, { ...rounds, oursMs: rounds.apartMs }, null),
    limitRow(first, "s", median(rounds.firstMs) / 1000, 1),
  ];
}

/** Times of each round. */
interface Rounds {
  theirsMs: number[];
  oursMs: number[];
  firstMs: number[];
  apartMs: number[];
}

async function costlyRounds(bench: Bench, attributes: number): Promise<Rounds> {
  const file = costlyFile(attributes);
  const rounds: Rounds = { theirsMs: [], oursMs: [], firstMs: [], apartMs: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rounds.theirsMs.push((await watched("nix-instantiate", () => bench.plain(file))).wallMs);
    const ours = await watched("the farm", () => bench.ours(file));
    if (ours.found !== attributes) {
      throw new Error(`${ours.found} of ${attributes} attributes were found`);
    }
    rounds.oursMs.push(ours.wallMs);
    rounds.firstMs.push(ours.firstMs);
    rounds.apartMs.push(await watched("apart", () => bench.apart(file)));
  }
  return rounds;
}

function costlyRow(what: string, { theirsMs, oursMs }: Rounds, target: number | null): Row {
  const [ours, theirs] = [median(oursMs) / 1000, median(theirsMs) / 1000];
  return { what, unit: "s", ours, theirs, against: "nix-instantiate", better: "less", target };
}

async function ceilingRows(bench: Bench): Promise<Row[]> {
  const large = await bench.plain("large.nix");
  const bounded = await bench.ours("large.nix", { GRADIENT_MAX_EVAL_RSS: String(CEILING_BYTES) });
  const label = `${LARGE_ATTRIBUTES} attributes below a ceiling of ${CEILING_BYTES / MEBIBYTE} MiB`;
  return [
    {
      ...limitRow(
        `${label}: memory that one needs`,
        "ceilings",
        large.heapBytes / CEILING_BYTES,
        3,
      ),
      better: "more",
    },
    limitRow(`${label}: attributes that failed`, "", LARGE_ATTRIBUTES - bounded.found, 0),
  ];
}

function limitRow(what: string, unit: string, ours: number, target: number): Row {
  return { what, unit, ours, theirs: null, against: "limit", better: "less", target };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
