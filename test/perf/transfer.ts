import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assignmentIdSchema, type PathFacts } from "@gradient/protocol";
import {
  createLogger,
  NarPool,
  TRANSFER_TIMINGS,
  TransferAccess,
  TransferClient,
  Transfers,
  type TransferScope,
} from "@gradient/worker";
import { execa } from "execa";
import { NixRoot } from "../support/nix-root.ts";
import type { Row } from "./report.ts";
import { addAll, shapes } from "./transfer-paths.ts";

const ROUNDS = 3;

/**
 * The worker's pipeline to a server that only hashes and writes, against `nix copy` to a directory: the same paths, in turns.
 * The server is a process of its own. Each copy starts a process (60 to 90 ms, what one small path takes) and writes narinfos; the
 * pipeline runs already, as in a worker, and sends over a socket what the copy writes by itself.
 */
export async function transferRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-transfer-"));
  const root = await NixRoot.make(join(directory, "nix"));
  try {
    const rows: Row[] = [];
    for (const [what, make] of Object.entries(shapes)) {
      const files = join(directory, what.replaceAll(" ", "-"));
      await mkdir(files);
      const paths = await addAll(root, await make(files));
      rows.push(await compare(what, paths, { directory, root }));
    }
    return rows;
  } finally {
    await root.remove();
    await rm(directory, { recursive: true, force: true });
  }
}

async function compare(
  what: string,
  paths: readonly PathFacts[],
  { directory, root }: { directory: string; root: NixRoot },
): Promise<Row> {
  const bytes = paths.reduce((sum, { narSize }) => sum + narSize, 0);
  const ours: number[] = [];
  const theirs: number[] = [];
  const sent = join(directory, "sent");
  await mkdir(sent, { recursive: true });
  await using pipeline = await Pipeline.start(root, sent);
  for (let round = 0; round <= ROUNDS; round += 1) {
    const to = join(directory, `copy-${round}`);
    const theirMs = await timed(() => nixCopy(root, paths, to));
    const ourMs = await timed(() => pipeline.transfers.uploadNars(paths, scope()));
    await rm(to, { recursive: true });
    // The first round finds nothing in the page cache, and threads are started in it.
    if (round === 0) continue;
    ours.push(ourMs);
    theirs.push(theirMs);
  }
  return {
    what: `upload of ${what} (${Math.round(bytes / 1e6)} MB)`,
    unit: "MB/s",
    ours: bytes / 1e3 / median(ours),
    theirs: bytes / 1e3 / median(theirs),
    against: "nix copy",
    better: "more",
    target: 1,
  };
}

async function nixCopy(root: NixRoot, paths: readonly PathFacts[], to: string): Promise<void> {
  const features = ["--extra-experimental-features", "nix-command"];
  const target = `file://${to}?compression=zstd`;
  await root.nix("nix", [...features, "copy", "--to", target, ...paths.map(({ path }) => path)]);
}

/** The uploading side of a worker that runs: its threads and connections are there. */
class Pipeline implements AsyncDisposable {
  readonly transfers: Transfers;
  readonly #resources: AsyncDisposable[];

  private constructor(transfers: Transfers, resources: AsyncDisposable[]) {
    this.transfers = transfers;
    this.#resources = resources;
  }

  /** `to` is where the server writes. */
  static async start(root: NixRoot, to: string): Promise<Pipeline> {
    const program = fileURLToPath(new URL("./transfer-sink.js", import.meta.url));
    const sink = execa(process.execPath, [program, to], { reject: false });
    const [port] = (await once(createInterface({ input: sink.stdout }), "line")) as [string];
    const server = {
      [Symbol.asyncDispose]: async () => {
        sink.kill();
        await sink;
      },
    };
    const access = new TransferAccess();
    access.grant("token");
    const client = new TransferClient({
      server: new URL(`ws://127.0.0.1:${port}/proto`),
      access,
      timings: TRANSFER_TIMINGS,
      logger: createLogger("silent"),
    });
    const pool = new NarPool(Math.max(2, availableParallelism()));
    const store = {
      physicalPath: (path: string) => root.physical(path),
      addPath: () => Promise.reject(new Error("nothing is downloaded")),
    };
    const transfers = new Transfers({ client, store, pool, direct: null });
    return new Pipeline(transfers, [client, pool, server]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#resources) await resource[Symbol.asyncDispose]();
  }
}

function scope(): TransferScope {
  return {
    assignment: assignmentIdSchema.parse("01890000-0000-7000-8000-000000000000"),
    signal: new AbortController().signal,
    traffic: { sentBytes: 0, receivedBytes: 0 },
  };
}

async function timed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
