import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { organizationIdSchema, type GitCredentials } from "@gradient/protocol";
import { WorkerError } from "../errors.ts";
import type { FetchRules } from "../jobs/fetch/access.ts";
import { Repositories, type CloneLimits } from "../jobs/fetch/repositories.ts";
import type { Commit } from "../jobs/fetch/tree.ts";
import { scriptedMeters } from "./scripted-nix.ts";

/** Two of many. */
export const ORGANIZATION = organizationIdSchema.parse("018f3c1e-0000-7000-8000-000000000001");
export const OTHER_ORGANIZATION = organizationIdSchema.parse(
  "018f3c1e-0000-7000-8000-000000000002",
);

export interface CheckedOut {
  readonly commit: Commit;
  readonly tree: string;
}

/** Checks repositories out, as fetch jobs do, each with a private directory of its own. */
export class TestCheckout {
  readonly clones: string;
  /** What hosts were believed, by all checkouts. */
  readonly hostKeys: string[] = [];
  readonly #directory: string;
  readonly #repositories: Repositories;
  #count = 0;

  constructor(
    directory: string,
    options: {
      rules?: Partial<FetchRules>;
      limits?: CloneLimits;
      stallMs?: number;
      environment?: Readonly<Record<string, string | undefined>>;
    } = {},
  ) {
    this.#directory = directory;
    this.clones = join(directory, "clones");
    this.#repositories = new Repositories({
      directory: this.clones,
      rules: { localDirectories: [], credentialsFile: null, ...options.rules },
      environment: options.environment ?? process.env,
      ...(options.limits ? { limits: options.limits } : {}),
      ...(options.stallMs ? { stallMs: options.stallMs } : {}),
    });
  }

  /** Private directory of the newest checkout. */
  get scratch(): string {
    return join(this.#directory, `scratch-${this.#count}`);
  }

  async of(
    repository: string,
    change: { reference?: string; commit?: string; credentials?: GitCredentials } = {},
    organization = ORGANIZATION,
  ): Promise<CheckedOut> {
    this.#count += 1;
    const directory = this.scratch;
    await mkdir(directory);
    const tree = join(directory, "tree");
    const spec = { repository, reference: null, commit: null, credentials: null, ...change };
    const meter = await scriptedMeters.start("fetch", { memoryBytes: null, cores: null });
    const signal = new AbortController().signal;
    const onHostKeys = (lines: string[]) => this.hostKeys.push(...lines);
    const request = { organization, spec, directory, meter, signal, onHostKeys };
    return { commit: await this.#repositories.checkOut(request, tree), tree };
  }

  /** The failure of a checkout. */
  async failure(...call: Parameters<TestCheckout["of"]>): Promise<WorkerError> {
    const error = await this.of(...call).then(
      () => null,
      (reason: unknown) => reason,
    );
    if (error instanceof WorkerError) return error;
    throw new Error(`expected a WorkerError, not ${String(error)}`);
  }
}
