import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { withoutPassword, type FetchSpec, type OrganizationId } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import type { UsageMeter } from "../../ports.ts";
import { FetchAccess, type FetchRules } from "./access.ts";
import { checkCommit, checkReference } from "./address.ts";
import { Clones } from "./clones.ts";
import { Git } from "./git.ts";
import { RepositoryFetch, type Target } from "./repository-fetch.ts";
import { readSubmodules, type Submodule } from "./submodules.ts";
import { describeCommit, writeTree, type Commit } from "./tree.ts";

/** Of a commit with all its submodules. */
const TIMEOUT_MS = 3_600_000;
/** Servers that prepare a pack for long say so every few seconds. */
const STALL_MS = 300_000;
const MAX_SUBMODULES = 500;
const GIB = 2 ** 30;

/** How much disk clones may take. */
export interface CloneLimits {
  /** All together, when none is in use. */
  readonly allBytes: number;
  /** One of them. */
  readonly oneBytes: number;
}

const CLONE_LIMITS: CloneLimits = { allBytes: 30 * GIB, oneBytes: 20 * GIB };

export interface FetchRequest {
  /** Whose credentials these are: nobody else gets what was fetched with them. */
  readonly organization: OrganizationId;
  readonly spec: Pick<FetchSpec, "repository" | "reference" | "commit" | "credentials">;
  /** A private directory for the time of the call. */
  readonly directory: string;
  readonly meter: UsageMeter;
  readonly signal: AbortSignal;
  /** Is told the keys of hosts that were not known before, as lines of known_hosts, also when the fetch fails later. */
  readonly onHostKeys: (lines: string[]) => void;
}

/** Git repositories as sources: bare clones are kept, and the tree of exactly one commit is written out. */
export class Repositories {
  readonly #clones: Clones;
  readonly #limits: CloneLimits;
  readonly #stallMs: number;
  readonly #rules: FetchRules;
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(options: {
    directory: string;
    rules: FetchRules;
    /** For git; only what it needs is passed on. */
    environment: Readonly<Record<string, string | undefined>>;
    limits?: CloneLimits;
    /** How long nothing may happen in a fetch. */
    stallMs?: number;
  }) {
    this.#limits = options.limits ?? CLONE_LIMITS;
    this.#stallMs = options.stallMs ?? STALL_MS;
    this.#clones = new Clones(options.directory, this.#limits.allBytes);
    this.#rules = options.rules;
    this.#environment = options.environment;
  }

  /**
   * Fetches what is asked for and writes exactly the commit's tree to `tree`, which must not exist yet, with its submodules at exactly their
   * commits. Rejects with a WorkerError.
   */
  async checkOut(request: FetchRequest, tree: string): Promise<Commit> {
    const { repository, reference, commit, credentials } = request.spec;
    if (commit !== null) checkCommit(commit);
    else if (reference !== null) checkReference(reference);
    const { directory } = request;
    const path = this.#environment["PATH"] ?? "";
    const access = await FetchAccess.open({ rules: this.#rules, credentials, directory, path });
    const deadline = AbortSignal.timeout(TIMEOUT_MS);
    const work = { ...request, access, signal: AbortSignal.any([request.signal, deadline]) };
    try {
      return await this.#all({ repository, reference, commit }, tree, work);
    } catch (error) {
      request.signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      const text = `${withoutPassword(repository)} with its submodules was not fetched within ${TIMEOUT_MS / 60_000} minutes`;
      throw new WorkerError("timeout", text, { isTransient: true, cause: error });
    } finally {
      request.onHostKeys(await access.ssh.newHostKeys());
    }
  }

  /** Outer trees before the ones in them. No two clones are held at once, so that no two fetches wait for each other. */
  async #all(target: Target, tree: string, work: Work): Promise<Commit> {
    const outer = await this.#place(target, { tree, number: 0 }, work);
    const open = outer.submodules.map((submodule) => ({ submodule, parent: tree }));
    for (let at = 0; at < open.length; at += 1) {
      const { submodule, parent } = open[at] ?? {};
      if (submodule === undefined || parent === undefined) break;
      if (at >= MAX_SUBMODULES) {
        throw new WorkerError("too-big", `there are more than ${MAX_SUBMODULES} submodules`);
      }
      const inner = await placeOf(submodule, parent);
      const { submodules } = await this.#submodule(
        submodule,
        { tree: inner, number: at + 1 },
        work,
      );
      open.push(...submodules.map((each) => ({ submodule: each, parent: inner })));
    }
    return outer.commit;
  }

  async #submodule(submodule: Submodule, place: Place, work: Work): Promise<Placed> {
    const { path, repository, commit } = submodule;
    try {
      return await this.#place({ repository, commit, reference: null }, place, work);
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      const { code, isTransient } = error;
      const text = `submodule '${path}': ${error.message}`;
      throw new WorkerError(code, text, { isTransient, cause: error });
    }
  }

  /** Writes one repository's tree and tells what has to be put into it. */
  async #place(target: Target, { tree, number }: Place, work: Work): Promise<Placed> {
    const { access, directory: scratch, meter, organization, signal } = work;
    const remote = await access.remote(target.repository);
    return this.#clones.use({ organization, ...target }, signal, async (directory) => {
      const git = new Git({ directory, environment: this.#environment, meter, signal });
      const limits = { maxBytes: this.#limits.oneBytes, stallMs: this.#stallMs };
      const fetch = new RepositoryFetch(git, { target, remote, access, ...limits });
      const hash = await fetch.run();
      const description = describeCommit(git, hash);
      // A tree that cannot be written is told first.
      description.catch(() => {});
      await writeTree(git, hash, { tree, index: join(scratch, `index-${number}`) });
      const hasSubmodules = (await lstat(join(tree, ".gitmodules")).catch(() => null)) !== null;
      const submodules = hasSubmodules ? await readSubmodules(git, target.repository, hash) : [];
      return { commit: await description, submodules };
    });
  }
}

interface Work extends FetchRequest {
  readonly access: FetchAccess;
}

interface Place {
  readonly tree: string;
  readonly number: number;
}

interface Placed {
  readonly commit: Commit;
  readonly submodules: readonly Submodule[];
}

/**
 * The directory that the parent's tree has for it. A tree made by hand can name one place twice, so that a link of one submodule lies where
 * another one is to be written.
 */
async function placeOf({ path }: Submodule, parent: string): Promise<string> {
  const place = join(await realpath(parent), path);
  if ((await realpath(place).catch(() => null)) === place) return place;
  const text = `submodule '${path}': something else lies at its place in the tree`;
  throw new WorkerError("bad-submodules", text);
}
