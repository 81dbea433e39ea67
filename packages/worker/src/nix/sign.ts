import { setTimeout as sleep } from "node:timers/promises";
import { PublicKey, fingerprint } from "@gradient/protocol";
import type { NixStore, Signer } from "../ports.ts";
import { runProcess } from "../process/run.ts";
import type { NixInstallation } from "./installation.ts";
import { NixError } from "./nix-error.ts";

/** More paths than this in one call would make its arguments longer than some systems allow. */
const MAX_BATCH = 200;
const TIMEOUT_MS = 120_000;
/** From the start of one process to that of the next, while there is ever more to sign: nobody's work waits for a signature, and starting a process stops this one for a moment. */
const INTERVAL_MS = 1000;
/** When nothing was asked for during this time, nothing is going to share the process. */
const QUIET_MS = 100;

export interface SignerOptions {
  nix: NixInstallation;
  /** Where signatures are read back from. */
  store: NixStore;
  /** Secret key in Nix's format; only Nix reads it here. */
  keyFile: string;
  /** `name:base64` */
  publicKey: string;
}

interface Waiting {
  path: string;
  resolve: (signature: string) => void;
  reject: (error: unknown) => void;
}

/**
 * Signs with `nix store sign`. A process costs as much as signing hundreds of paths, so one runs at a time, the next not at once, and whatever is
 * asked for meanwhile goes into it.
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
      this.#waiting.push({ path, resolve, reject });
      this.#askedAt = performance.now();
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

  /** Waits for what may share the next process. The first after a while starts at once. */
  async #company(): Promise<void> {
    for (;;) {
      const dueAt = Math.min(this.#startedAt + INTERVAL_MS, this.#askedAt + QUIET_MS);
      const isFull = this.#waiting.length >= MAX_BATCH;
      const waitMs = isFull ? 0 : dueAt - performance.now();
      if (waitMs <= 0) return;
      await sleep(waitMs);
    }
  }

  async #signBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#call(batch.map(({ path }) => path));
    } catch (error) {
      await this.#afterFailure(batch, error);
      return;
    }
    await Promise.all(
      batch.map(async ({ path, resolve, reject }) => {
        await this.#readBack(path).then(resolve, reject);
      }),
    );
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
