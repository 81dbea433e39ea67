import {
  decodeToWorker,
  encode,
  fingerprint,
  MAX_FRAME_BYTES,
  SecretKey,
  workerIdSchema,
  type AssignmentKind,
  type BuildResult,
  type EvaluatedJob,
  type Fencing,
  type Hello,
  type Offer,
  type OrganizationId,
  type PathFacts,
  type Reject,
  type ToCoordinator,
  type ToWorker,
  type Welcome,
  type WorkerId,
} from "@gradient/protocol";
import { v4 as uuidv4 } from "uuid";
import { WebSocket } from "ws";
import { makeBundle, type TestDerivation, type TestObject } from "./test-objects.test-support.ts";

const DEADLINE_MS = 5000;

type MessageOf<Type extends ToWorker["type"]> = Extract<ToWorker, { type: Type }>;

/** A worker that speaks the protocol and does nothing else: tests say what it sends. */
export class TestWorker {
  readonly id: WorkerId;
  readonly tokens = new Map<OrganizationId, string>();
  key: SecretKey;
  hello: Partial<Hello> = {};
  readonly #url: string;
  #socket: WebSocket | null = null;
  #received: ToWorker[] = [];
  readonly #waiting = new Set<() => void>();
  #welcome: Welcome | null = null;
  closeCode: number | null = null;

  constructor(url: string, id: WorkerId = workerIdSchema.parse(uuidv4())) {
    this.#url = url;
    this.id = id;
    this.key = SecretKey.generate(`worker-${id}`);
  }

  /** Opens a socket and says nothing. */
  async open(): Promise<WebSocket> {
    const socket = new WebSocket(`${this.#url.replace("http", "ws")}/proto`, {
      maxPayload: MAX_FRAME_BYTES,
    });
    this.#socket = socket;
    this.#received = [];
    this.#welcome = null;
    this.closeCode = null;
    socket.on("message", (data: Buffer) => {
      this.#received.push(decodeToWorker(data.toString()));
      this.#wake();
    });
    socket.on("close", (code) => {
      if (this.#socket === socket) this.closeCode = code;
      this.#wake();
    });
    socket.on("error", () => undefined);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return socket;
  }

  /** The whole handshake. */
  async connect(change: Partial<Hello> = {}): Promise<Welcome> {
    await this.open();
    this.sayHello(change);
    await this.answerChallenge();
    this.#welcome = await this.next("welcome");
    return this.#welcome;
  }

  /** The handshake of a worker that is not let in. */
  async connectRejected(change: Partial<Hello> = {}): Promise<Reject> {
    await this.open();
    this.sayHello(change);
    const answer = await this.nextOf("challenge", "reject");
    if (answer.type === "reject") return answer;
    this.#answer(answer);
    return this.next("reject");
  }

  sayHello(change: Partial<Hello> = {}): void {
    this.send({
      type: "hello",
      versions: { min: 1, max: 1 },
      features: [],
      worker: this.id,
      release: "test",
      publicKey: this.key.publicKey.toString(),
      capabilities: { fetch: true, eval: true, build: true },
      systems: ["x86_64-linux"],
      systemFeatures: [],
      maxConcurrentBuilds: 2,
      cores: 2,
      memoryBytes: 2 ** 30,
      nixVersion: "2.26.3",
      isDraining: false,
      assignments: [],
      ...this.hello,
      ...change,
    });
  }

  async answerChallenge(): Promise<void> {
    this.#answer(await this.next("challenge"));
  }

  #answer({ nonce, peers }: MessageOf<"challenge">): void {
    const tokens = peers.flatMap((peer) => {
      const token = this.tokens.get(peer);
      return token === undefined ? [] : [{ peer, token }];
    });
    this.send({ type: "auth", nonce, tokens });
  }

  send(message: ToCoordinator): void {
    this.sendFrame(encode(message));
  }

  sendFrame(frame: string | Buffer): void {
    if (this.#socket === null) throw new Error("the test worker is not connected");
    this.#socket.send(frame);
  }

  /** The next message of the type; others that came before it stay for later. */
  async next<Type extends ToWorker["type"]>(type: Type): Promise<MessageOf<Type>> {
    return this.nextOf(type);
  }

  async nextOf<Type extends ToWorker["type"]>(...types: Type[]): Promise<MessageOf<Type>> {
    return this.#take(
      (message): message is MessageOf<Type> => types.some((type) => type === message.type),
      types.join(" or "),
    );
  }

  async #take<Wanted extends ToWorker>(
    isWanted: (message: ToWorker) => message is Wanted,
    what: string,
  ): Promise<Wanted> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    for (;;) {
      const at = this.#received.findIndex(isWanted);
      const found = this.#received[at];
      if (found !== undefined && isWanted(found)) {
        this.#received.splice(at, 1);
        return found;
      }
      if (deadline.aborted || this.closeCode !== null) {
        const others = JSON.stringify(this.#received);
        throw new Error(`no ${what} came (close code ${this.closeCode}); waiting: ${others}`);
      }
      await this.#change(deadline);
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #change(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      deadline.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Messages of the type that have come and were not taken. */
  pending(type: ToWorker["type"]): number {
    return this.#received.filter((message) => message.type === type).length;
  }

  /** Waits until everything that was sent before has been handled: the coordinator handles messages in order. */
  async settle(): Promise<void> {
    // A second hello is answered with a refusal and changes nothing.
    this.sayHello();
    await this.next("refused");
  }

  /** Takes the next offer, of a kind or of any. */
  async takeOffer(kind?: AssignmentKind): Promise<Offer> {
    const offer = await this.#take(
      (message): message is Offer =>
        message.type === "offer" && (kind === undefined || message.spec.kind === kind),
      `offer of ${kind ?? "anything"}`,
    );
    this.send({ type: "accept", assignment: offer.assignment, fencing: offer.fencing });
    return offer;
  }

  /** Waits until the socket is closed. */
  async closed(): Promise<number> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (this.closeCode === null) {
      if (deadline.aborted) throw new Error("the connection was not closed");
      await this.#change(deadline);
    }
    return this.closeCode;
  }

  /** Loses the connection without a word. */
  async drop(): Promise<void> {
    this.#socket?.terminate();
    await this.closed();
  }

  /** An HTTP transfer on behalf of an assignment. */
  async transfer(
    method: string,
    path: string,
    assignment: string,
    body?: Buffer | object,
  ): Promise<Response> {
    const isBytes = Buffer.isBuffer(body);
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#welcome?.transferToken ?? ""}`,
      "x-gradient-assignment": assignment,
    };
    if (body !== undefined)
      headers["content-type"] = isBytes ? "application/zstd" : "application/json";
    const payload =
      body === undefined ? null : isBytes ? new Uint8Array(body) : JSON.stringify(body);
    return fetch(`${this.#url}/proto${path}`, { method, headers, body: payload });
  }

  /** Of the newest session. */
  get transferToken(): string {
    return this.#welcome?.transferToken ?? "";
  }

  async uploadNar(assignment: string, object: TestObject): Promise<Response> {
    const { narHash, narSize } = object.facts;
    const path = `/nar/${narHash.slice("sha256:".length)}?size=${narSize}`;
    return this.transfer("PUT", path, assignment, object.body);
  }

  /** Uploads source trees and makes them visible, signed: nothing is left to ask for. */
  async uploadSources(assignment: string, ...sources: TestObject[]): Promise<void> {
    for (const source of sources) await expectOk(await this.uploadNar(assignment, source));
    const paths = sources.map(({ facts }) => this.sign(facts));
    await expectOk(await this.transfer("POST", "/paths", assignment, { paths }));
  }

  async uploadDerivations(assignment: string, ...derivations: TestDerivation[]): Promise<void> {
    await expectOk(
      await this.transfer("PUT", "/derivations", assignment, await makeBundle(derivations)),
    );
  }

  sign(facts: PathFacts): PathFacts {
    return { ...facts, signatures: [this.key.sign(fingerprint(facts))] };
  }

  sendJobs(offer: Offer, jobs: readonly EvaluatedJob[], sequence = 0): void {
    const { assignment, fencing } = offer;
    this.send({ type: "eval-jobs", assignment, fencing, sequence, jobs: [...jobs], messages: [] });
  }

  sendResult(
    reference: { assignment: Offer["assignment"]; fencing: Fencing },
    change: Partial<BuildResult>,
  ): void {
    const { assignment, fencing } = reference;
    this.send({ type: "result", assignment, fencing, result: buildResult(change) });
  }
}

function buildResult(change: Partial<BuildResult>): BuildResult {
  return {
    kind: "build",
    outcome: "built",
    message: null,
    isGuess: false,
    outputs: [],
    missingInputs: [],
    times: { acceptedAt: 1, startedAt: 2, stoppedAt: 3, uploadedAt: 4 },
    usage: null,
    logBytes: 0,
    ...change,
  };
}

export async function expectOk(response: Response): Promise<void> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}
