import { setTimeout as sleep } from "node:timers/promises";
import { PublicKey, fingerprint } from "@gradient/protocol";
import type { NixStore, Signer } from "../ports.ts";
import { runProcess } from "../process/run.ts";
import type { NixInstallation } from "./installation.ts";
import { NixError } from "./nix-error.ts";

/** More paths than this in one call would make its arguments longer than some systems allow. */
const MAX_BATCH = 200;
const TIMEOUT_MS = 120_000;
/** The longest wait for company: nobody's work waits for a signature, and starting a process stops this one for a moment. */
const INTERVAL_MS = 1000;
/** When nothing was asked for during this time, nothing is going to share the process soon. */
const QUIET_MS = 100;
/** The same while nothing is built here: a build that goes on with what is signed is given out, and accepted, within it. */
const IDLE_QUIET_MS = 30;

export interface SignerOptions {
  nix: NixInstallation;
  /** Where signatures are read back from. */
  store: NixStore;
  /** Secret key in Nix's format; only Nix reads it here. */
  keyFile: string;
  /** `name:base64` */
  publicKey: string;
  /** Whether builds run here, or are about to, which will ask for signatures. */
  isBuilding: () => boolean;
}

interface Waiting {
  path: string;
  since: number;
  resolve: (signature: string) => void;
  reject: (error: unknown) => void;
}

/**
 * Signs with `nix store sign`. A process costs as much as signing hundreds of paths, so one runs at a time, the next not at once, and whatever is
 * asked for meanwhile goes into it. Builds come before it.
 */
export class NixSigner implements Signer {
  readonly publicKey: string;
  readonly #options: SignerOptions;
  readonly #key: PublicKey;
  #waiting: Waiting[] = [];
  #isRunning = false;
  #startedAt = -INTERVAL_MS;
  #askedAt = 0;

  constructor(options: SignerOptions) {
    this.#options = options;
    this.#key = PublicKey.parse(options.publicKey);
    this.publicKey = this.#key.toString();
  }

  /** Rejects with a ProcessError or NixError when one of the paths can not be signed. */
  async sign(paths: readonly string[]): Promise<Map<string, string>> {
    const unique = [...new Set(paths)];
    const signatures = await Promise.all(unique.map((path) => this.#signOne(path)));
    return new Map(unique.map((path, index) => [path, signatures[index] ?? ""]));
  }

  #signOne(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const since = performance.now();
      this.#waiting.push({ path, since, resolve, reject });
      this.#askedAt = since;
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is asked for in the same turn belongs together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#company();
      this.#startedAt = performance.now();
      await this.#signBatch(this.#waiting.splice(0, MAX_BATCH));
    }
    this.#isRunning = false;
  }

  /** Waits for what may share the next process. */
  async #company(): Promise<void> {
    for (;;) {
      const isFull = this.#waiting.length >= MAX_BATCH;
      const waitMs = isFull ? 0 : this.#dueAt() - performance.now();
      if (waitMs <= 0) return;
      // The last build may end meanwhile.
      await sleep(Math.min(waitMs, IDLE_QUIET_MS));
    }
  }

  /** A time of `performance.now()`. Where nothing is built, the first after a while starts at once. */
  #dueAt(): number {
    const isBuilding = this.#options.isBuilding();
    const since = isBuilding ? (this.#waiting[0]?.since ?? 0) : 0;
    const quietMs = isBuilding ? QUIET_MS : IDLE_QUIET_MS;
    return Math.min(Math.max(this.#startedAt, since) + INTERVAL_MS, this.#askedAt + quietMs);
  }

  async #signBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#call(batch.map(({ path }) => path));
    } catch (error) {
      await this.#afterFailure(batch, error);
      return;
    }
    // One after the other: a build that asks the store for its inputs waits for one of them at most.
    for (const { path, resolve, reject } of batch) {
      await this.#readBack(path).then(resolve, reject);
    }
  }

  /** One path that is not there fails the whole call. It must not fail for those that only shared it. */
  async #afterFailure(batch: readonly Waiting[], error: unknown): Promise<void> {
    const [first, ...others] = batch;
    if (first !== undefined && others.length === 0) {
      first.reject(error);
      return;
    }
    for (const each of batch) await this.#signBatch([each]);
  }

  async #call(paths: readonly string[]): Promise<void> {
    const { nix, keyFile } = this.#options;
    await runProcess({
      title: "nix store sign",
      command: "nix",
      args: [
        "--extra-experimental-features",
        "nix-command",
        "store",
        "sign",
        "--key-file",
        keyFile,
        "--",
        ...paths,
      ],
      env: nix.environment,
      timeoutMs: TIMEOUT_MS,
    });
  }

  async #readBack(path: string): Promise<string> {
    const facts = await this.#options.store.pathFacts(path);
    if (facts === null) throw new NixError(`${path} can not be signed: it is not valid any more`);
    const text = fingerprint(facts);
    const signature = facts.signatures.find((each) => this.#key.verifies(text, each));
    if (signature === undefined) {
      throw new NixError(
        `nix store sign left ${path} without a signature of ${this.#key.keyName}: does the key file belong to the public key?`,
      );
    }
    return signature;
  }
}
