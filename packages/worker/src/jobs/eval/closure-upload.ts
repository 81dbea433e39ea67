import { basename } from "node:path";
import { isDrvPath, type PathFacts } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import { readDerivationFile } from "../derivations.ts";
import type { Job, JobTools } from "../job.ts";
import { makeBundle } from "./bundle.ts";
import { ClosureWalk, type WalkedDerivation } from "./closure-walk.ts";

/** Derivations in one bundle: a few megabytes at most, so that a retry is cheap and reading them does not block for long. */
const BUNDLE_FILES = 500;

/** Hands the coordinator what it needs to build: derivations that it does not know and sources that no cache has. */
export class ClosureUpload {
  readonly #job: Job;
  readonly #tools: JobTools;
  readonly #walk: ClosureWalk;
  readonly #sourcesSeen = new Set<string>();

  constructor(job: Job, tools: JobTools) {
    this.#job = job;
    this.#tools = tools;
    this.#walk = new ClosureWalk(tools.store, (drvPaths) =>
      tools.transfers.unknownDerivations(drvPaths, job),
    );
  }

  /** When it resolves, the coordinator has the derivations, their closures, and the sources of what it did not know before. */
  async deliver(drvPaths: readonly string[]): Promise<void> {
    await this.#tools.store.addRoots(this.#job.assignment, drvPaths);
    const unknown = await this.#walk.unknownIn(drvPaths);
    if (unknown.length === 0) return;
    await this.#deliverSources(unknown.flatMap(({ inputSrcs }) => inputSrcs));
    for (let at = 0; at < unknown.length; at += BUNDLE_FILES) {
      await this.#putBundle(unknown.slice(at, at + BUNDLE_FILES));
    }
  }

  async #putBundle(derivations: readonly WalkedDerivation[]): Promise<void> {
    const files = derivations.map(({ drvPath }) => ({
      name: basename(drvPath),
      bytes: readDerivationFile(this.#tools.store, drvPath),
    }));
    await this.#tools.transfers.putDerivations(await makeBundle(files), this.#job);
  }

  async #deliverSources(paths: readonly string[]): Promise<void> {
    const { transfers } = this.#tools;
    const closure = await this.#closureOf(paths);
    // A derivation file that is used as a source: it is known as a derivation, with all that it needs.
    const drvPaths = closure.map(({ path }) => path).filter(isDrvPath);
    if (drvPaths.length > 0) await this.deliver(drvPaths);
    const sources = closure.filter(({ path }) => !isDrvPath(path));
    if (sources.length === 0) return;
    const { missing } = await transfers.closure(
      sources.map(({ path }) => path),
      this.#job,
    );
    const isMissing = new Set(missing);
    const lacking = sources.filter(({ path }) => isMissing.has(path));
    if (lacking.length === 0) return;
    const [signed] = await Promise.all([
      this.#sign(lacking),
      transfers.uploadNars(lacking, this.#job),
    ]);
    await transfers.publish(signed, this.#job);
  }

  /** Facts of the paths and of all that they refer to, as far as it is new, references first. */
  async #closureOf(paths: readonly string[]): Promise<PathFacts[]> {
    const ordered = new Map<string, PathFacts>();
    const stack: (string | PathFacts)[] = [...new Set(paths)];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      if (typeof top !== "string") {
        ordered.set(top.path, top);
      } else if (!this.#sourcesSeen.has(top)) {
        this.#sourcesSeen.add(top);
        const facts = await this.#factsOf(top);
        stack.push(facts, ...facts.references.filter((path) => path !== facts.path));
      }
    }
    return [...ordered.values()];
  }

  async #factsOf(path: string): Promise<PathFacts> {
    const facts = await this.#tools.store.pathFacts(path);
    if (facts !== null) return facts;
    throw new WorkerError(
      "source-lost",
      `${path} is an input of a derivation and is not in the store`,
      {
        isTransient: true,
      },
    );
  }

  /** What is not addressed by its content is believed only with this worker's signature. */
  async #sign(paths: readonly PathFacts[]): Promise<PathFacts[]> {
    const toSign = paths.filter(({ ca }) => ca === null).map(({ path }) => path);
    if (toSign.length === 0) return [...paths];
    const signatures = await this.#tools.signer.sign(toSign);
    return paths.map((facts) => {
      const signature = signatures.get(facts.path);
      return signature === undefined ? facts : { ...facts, signatures: [signature] };
    });
  }
}
