import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodeToWorker,
  encode,
  organizationIdSchema,
  SecretKey,
  workerIdSchema,
  type Offer,
  type ToCoordinator,
  type ToWorker,
} from "@gradient/protocol";
import {
  createLogger,
  NarPool,
  TRANSFER_TIMINGS,
  TransferAccess,
  TransferClient,
  Transfers,
} from "@gradient/worker";
import { v4 } from "uuid";
import { WebSocket } from "ws";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import type { Row } from "./report.ts";
import { addAll, noise } from "./transfer-paths.ts";

const UPLOAD_MEGABYTES = 500;
const IDLE_MS = 5000;
const PING_EVERY_MS = 10;

/** Round trips of control messages between a worker's process and a coordinator, at rest and while that worker uploads as fast as it can. */
export async function controlRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-control-"));
  const root = await NixRoot.make(join(directory, "nix"));
  const farm = await TestFarm.start();
  try {
    const link = await ControlLink.open(farm);
    await farm.evaluate(await farm.addFilesProject("control", "*", { "default.nix": "{ }" }));
    const offer = await link.offer();
    const paths = await addAll(root, await noise(join(directory, "noise"), UPLOAD_MEGABYTES));
    const idle = await link.roundTrips(sleep(IDLE_MS));
    const loaded = await link.roundTrips(upload(farm, link, offer, { root, paths }));
    link.close();
    return [
      row(
        "control round trip while 500 MB go up, p50",
        percentile(loaded, 0.5),
        percentile(idle, 0.5),
      ),
      row(
        "control round trip while 500 MB go up, p99",
        percentile(loaded, 0.99),
        percentile(idle, 0.99),
      ),
    ];
  } finally {
    await farm[Symbol.asyncDispose]();
    await root.remove();
    await rm(directory, { recursive: true, force: true });
  }
}

function row(what: string, ours: number, theirs: number): Row {
  return { what, unit: "ms", ours, theirs, against: "at rest", better: "less", target: null };
}

async function upload(
  farm: TestFarm,
  link: ControlLink,
  { assignment }: Offer,
  { root, paths }: { root: NixRoot; paths: Awaited<ReturnType<typeof addAll>> },
): Promise<void> {
  const access = new TransferAccess();
  access.grant(link.transferToken);
  const client = new TransferClient({
    server: new URL(`ws://127.0.0.1:${farm.port}/proto`),
    access,
    timings: TRANSFER_TIMINGS,
    logger: createLogger("silent"),
  });
  const pool = new NarPool(Math.max(2, availableParallelism()));
  const store = {
    physicalPath: (path: string) => root.physical(path),
    addPath: () => Promise.reject(new Error("nothing is downloaded")),
  };
  try {
    await new Transfers({ client, store, pool, direct: null }).uploadNars(paths, {
      assignment,
      signal: new AbortController().signal,
      traffic: { sentBytes: 0, receivedBytes: 0 },
    });
  } finally {
    await client[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
  }
}

type Message<T extends ToWorker["type"]> = Extract<ToWorker, { type: T }>;

/** A worker's socket, with nothing behind it. */
class ControlLink {
  transferToken = "";
  readonly #socket: WebSocket;
  readonly #received: ToWorker[] = [];
  #wake: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      this.#received.push(decodeToWorker(String(data as Buffer)));
      this.#wake();
    });
  }

  static async open(farm: TestFarm): Promise<ControlLink> {
    const worker = workerIdSchema.parse(v4());
    const { peer_id, token } = await farm.api.call<{ peer_id: string; token: string }>(
      "POST",
      "/orgs/acme/workers",
      { worker_id: worker, display_name: "control" },
    );
    const link = new ControlLink(new WebSocket(`ws://127.0.0.1:${farm.port}/proto`));
    await once(link.#socket, "open");
    link.#send({
      type: "hello",
      versions: { min: 1, max: 1 },
      features: [],
      worker,
      release: "benchmark",
      publicKey: SecretKey.generate("control").publicKey.toString(),
      capabilities: { fetch: true, eval: true, build: true },
      systems: ["x86_64-linux"],
      systemFeatures: [],
      maxConcurrentBuilds: 1,
      cores: 1,
      memoryBytes: 2 ** 30,
      nixVersion: "2.8.0",
      isDraining: false,
      assignments: [],
    });
    const { nonce } = await link.#next("challenge");
    const peer = organizationIdSchema.parse(peer_id);
    link.#send({ type: "auth", nonce, tokens: [{ peer, token }] });
    link.transferToken = (await link.#next("welcome")).transferToken;
    return link;
  }

  /** The next offer, accepted. */
  async offer(): Promise<Offer> {
    const offer = await this.#next("offer");
    const { assignment, fencing } = offer;
    this.#send({ type: "accept", assignment, fencing });
    return offer;
  }

  /** Milliseconds of each round trip until the work is done. */
  async roundTrips(work: Promise<unknown>): Promise<number[]> {
    const times: number[] = [];
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      const start = performance.now();
      this.#socket.ping();
      await once(this.#socket, "pong");
      times.push(performance.now() - start);
      await sleep(PING_EVERY_MS);
    }
    await done;
    return times;
  }

  close(): void {
    this.#socket.close();
  }

  #send(message: ToCoordinator): void {
    this.#socket.send(encode(message));
  }

  async #next<T extends ToWorker["type"]>(type: T): Promise<Message<T>> {
    for (;;) {
      const at = this.#received.findIndex((message) => message.type === type);
      const [found] = at < 0 ? [] : this.#received.splice(at, 1);
      if (found !== undefined) return found as Message<T>;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}
