import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { usageRecordSchema, type UsageRecord } from "@gradient/protocol";
import { z } from "zod";
import { readLines } from "../process/lines.ts";
import {
  type FromRunner,
  type KeptEnd,
  MAX_MESSAGE_BYTES,
  RUNNER_PROTOCOL,
  type ToRunner,
} from "../runner/messages.ts";
import { keptEndSchema } from "./kept-end.ts";

const HELLO_TIMEOUT_MS = 10_000;
/** Builds get a second to end when they are told to, and their groups some more. */
const END_TIMEOUT_MS = 15_000;

const name = z.string();
const logBytes = z.int().nonnegative();

const fromRunnerSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    protocol: z.int(),
    fingerprint: z.string(),
    builds: z.array(z.object({ name, isStarted: z.boolean(), logBytes })),
  }),
  z.object({ type: z.literal("started"), name }),
  z.object({ type: z.literal("built"), name }),
  z.object({ type: z.literal("log"), name, logBytes }),
  z.object({ type: z.literal("usage"), name, usage: usageRecordSchema }),
  z.object({
    type: z.literal("ended"),
    name,
    logBytes,
    logFailure: z.string().nullable(),
    logLostBytes: logBytes.default(0),
    outcome: keptEndSchema,
  }),
]) satisfies z.ZodType<FromRunner>;

const endedSchema = z.object({ type: z.literal("ended"), name });

type Hello = Extract<FromRunner, { type: "hello" }>;

/** Some of a build's log could not be written. */
export interface LogLoss {
  readonly reason: string;
  /** What is missing of it without a word in it. */
  readonly bytes: number;
}

/** Follows one build at a runner. */
export interface BuildFollower {
  onStarted(): void;
  onBuilt(): void;
  onLog(logBytes: number): void;
  onUsage(usage: UsageRecord): void;
  onEnded(outcome: KeptEnd, logLoss: LogLoss | null): void;
  /** Nothing more will be heard of it: the runner is gone, or was left. */
  onLost(): void;
}

/** The daemon's connection to one runner. */
export class RunnerLink {
  /** Its socket. */
  readonly path: string;
  readonly hello: Hello;
  /** Resolves when the runner is gone, or was left, to the number of builds that nothing more will be heard of. */
  readonly closed: Promise<number>;
  readonly #socket: Socket;
  readonly #followers = new Map<string, BuildFollower>();
  /** Of builds that nobody has followed yet: they go on between the greeting and whoever takes them up. */
  readonly #early = new Map<string, EarlyNews>();

  private constructor(
    path: string,
    socket: Socket,
    { hello, lines }: { hello: Hello; lines: AsyncGenerator<string> },
  ) {
    this.path = path;
    this.#socket = socket;
    this.hello = hello;
    for (const build of hello.builds) {
      const news = new EarlyNews(build);
      this.#early.set(build.name, news);
      this.#followers.set(build.name, news);
    }
    this.closed = this.#listen(lines);
  }

  /** Calls a runner. Null when nobody answers, or not in our words. */
  static async open(path: string): Promise<RunnerLink | null> {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
    try {
      await once(socket, "connect");
      socket.on("error", () => {});
      const lines = readLines(socket, MAX_MESSAGE_BYTES);
      const { value } = await lines.next();
      const hello = fromRunnerSchema.parse(JSON.parse(value ?? "null"));
      if (hello.type === "hello" && hello.protocol === RUNNER_PROTOCOL) {
        return new RunnerLink(path, socket, { hello, lines });
      }
    } catch {
      // As below.
    } finally {
      clearTimeout(timer);
    }
    socket.destroy();
    return null;
  }

  get isOpen(): boolean {
    return this.#socket.writable;
  }

  /** Nothing is sent to a runner that is gone; how its build ended is found in its files. */
  send(message: ToRunner): void {
    if (this.isOpen) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Tells first what was heard of it already. */
  follow(build: string, follower: BuildFollower): void {
    const news = this.#early.get(build);
    this.#early.delete(build);
    if (news?.tell(follower) === true) return;
    this.#followers.set(build, follower);
    if (!this.isOpen) this.#loseAll();
  }

  /** The runner goes on without us. */
  leave(): void {
    this.#socket.destroy();
    this.#loseAll();
  }

  /** The runner ends, and what it builds. */
  async end(): Promise<void> {
    this.send({ type: "end" });
    const timer = setTimeout(() => this.#socket.destroy(), END_TIMEOUT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  async #listen(lines: AsyncGenerator<string>): Promise<number> {
    try {
      for await (const line of lines) {
        const message = fromRunnerSchema.safeParse(JSON.parse(line));
        if (message.success) this.#receive(message.data);
        else this.#lose(line);
      }
    } catch {
      // What cannot be understood is as good as gone.
    }
    this.#socket.destroy();
    return this.#loseAll();
  }

  /** An end that cannot be read costs its build, and nothing else costs anything. */
  #lose(line: string): void {
    const ended = endedSchema.safeParse(JSON.parse(line)).data;
    if (ended === undefined) return;
    const follower = this.#followers.get(ended.name);
    this.#followers.delete(ended.name);
    follower?.onLost();
  }

  #receive(message: FromRunner): void {
    if (message.type === "hello") return;
    const follower = this.#followers.get(message.name);
    switch (message.type) {
      case "started":
        follower?.onStarted();
        break;
      case "built":
        follower?.onBuilt();
        break;
      case "log":
        follower?.onLog(message.logBytes);
        break;
      case "usage":
        follower?.onUsage(message.usage);
        break;
      case "ended":
        this.#followers.delete(message.name);
        follower?.onLog(message.logBytes);
        follower?.onEnded(message.outcome, lossOf(message));
        break;
    }
  }

  #loseAll(): number {
    const followers = [...this.#followers.values()];
    this.#followers.clear();
    for (const follower of followers) follower.onLost();
    return followers.length;
  }
}

function lossOf({
  logFailure,
  logLostBytes = 0,
}: Extract<FromRunner, { type: "ended" }>): LogLoss | null {
  return logFailure === null ? null : { reason: logFailure, bytes: logLostBytes };
}

/** Follows a build until somebody else does, who is told the last of it. */
class EarlyNews implements BuildFollower {
  #isStarted: boolean;
  #logBytes: number;
  #end: ((follower: BuildFollower) => void) | null = null;

  constructor({ isStarted, logBytes }: Hello["builds"][number]) {
    this.#isStarted = isStarted;
    this.#logBytes = logBytes;
  }

  /** True when nothing follows. */
  tell(follower: BuildFollower): boolean {
    if (this.#isStarted) follower.onStarted();
    follower.onLog(this.#logBytes);
    this.#end?.(follower);
    return this.#end !== null;
  }

  onStarted(): void {
    this.#isStarted = true;
  }

  onLog(logBytes: number): void {
    this.#logBytes = logBytes;
  }

  onUsage(): void {}

  onBuilt(): void {}

  onEnded(outcome: KeptEnd, logLoss: LogLoss | null): void {
    this.#end = (follower) => follower.onEnded(outcome, logLoss);
  }

  onLost(): void {
    this.#end = (follower) => follower.onLost();
  }
}
