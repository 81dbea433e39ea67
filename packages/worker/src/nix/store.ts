import { mkdirSync, readdirSync, rmdirSync, symlinkSync, unlinkSync } from "node:fs";
import path from "node:path";
import {
  STORE_DIR,
  type PathFacts,
  dumpPath,
  formatHexDigest,
  formatNix32Hash,
  parseHash,
} from "@gradient/protocol";
import type { NixStore } from "../ports.ts";
import { DaemonClient } from "./daemon/client.ts";
import {
  type StoredPath,
  addIndirectRoot,
  addToStore,
  addToStoreNar,
  queryOutputPaths,
  queryPathInfo,
  queryValidPaths,
} from "./daemon/operations.ts";
import type { NixInstallation } from "./installation.ts";
import { NixError } from "./nix-error.ts";

const QUERY_TIMEOUT_MS = 120_000;
const IMPORT_TIMEOUT_MS = 3_600_000;
/** Children that import: one is not enough to keep disk and hash busy, more contend for the store's database. */
const IMPORT_LANES = 2;
const OWNER = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export interface NixStoreOptions {
  nix: NixInstallation;
  /** Tells the roots of this worker from those of others, for instance `gradient-worker-<id>`. */
  rootsName: string;
  /** Where roots lie when the store's own `gcroots` is not ours to write. */
  stateDirectory: string;
}

/** Opens the store. The children start at the first call. */
export function openNixStore(options: NixStoreOptions): NixStore {
  return new DaemonStore(options);
}

class DaemonStore implements NixStore {
  readonly #nix: NixInstallation;
  readonly #queries: DaemonClient;
  readonly #imports: readonly DaemonClient[];
  readonly #rootsDirectory: string;

  constructor({ nix, rootsName, stateDirectory }: NixStoreOptions) {
    this.#nix = nix;
    this.#queries = new DaemonClient(nix);
    this.#imports = Array.from({ length: IMPORT_LANES }, () => new DaemonClient(nix));
    this.#rootsDirectory =
      nix.daemonSocket === null
        ? path.join(nix.rootsDirectory, rootsName)
        : path.join(stateDirectory, "gcroots", rootsName);
  }

  prepare(): void {
    for (const client of [this.#queries, this.#importer()]) client.prepare();
  }

  physicalPath(storePath: string): string {
    return path.join(this.#nix.physicalStoreDirectory, path.relative(STORE_DIR, storePath));
  }

  async validPaths(paths: readonly string[]): Promise<Set<string>> {
    if (paths.length === 0) return new Set();
    return new Set(await this.#queries.call(queryValidPaths(paths), QUERY_TIMEOUT_MS));
  }

  async pathFacts(storePath: string): Promise<PathFacts | null> {
    const stored = await this.#queries.call(queryPathInfo(storePath), QUERY_TIMEOUT_MS);
    return stored === null ? null : factsOf(storePath, stored);
  }

  async outputPaths(drvPath: string): Promise<Map<string, string>> {
    return this.#queries.call(queryOutputPaths(drvPath), QUERY_TIMEOUT_MS);
  }

  async addPath(facts: PathFacts, nar: AsyncIterable<Uint8Array>): Promise<void> {
    const narHashHex = formatHexDigest(parseHash(facts.narHash, "sha256"));
    await this.#importer().call(addToStoreNar(facts, narHashHex, nar), IMPORT_TIMEOUT_MS);
  }

  async addTree(directory: string, name: string): Promise<string> {
    return this.#importer().call(addToStore(name, dumpPath(directory)), IMPORT_TIMEOUT_MS);
  }

  /**
   * Synchronous on purpose, as is `removeRoots`: each build has some links, and each of these calls takes the kernel some microseconds and Node many times as much
   * when it is asked to wait for it. A link may be made before its path is valid: what is imported then is kept from the first moment.
   */
  async addRoots(owner: string, paths: readonly string[]): Promise<void> {
    const directory = this.#ownerDirectory(owner);
    mkdirSync(directory, { recursive: true });
    for (const storePath of paths) {
      const link = path.join(directory, path.basename(storePath));
      ignoring("EEXIST", () => symlinkSync(storePath, link));
      if (this.#nix.daemonSocket !== null) await this.addIndirectRoot(link);
    }
  }

  async addIndirectRoot(link: string): Promise<void> {
    await this.#queries.call(addIndirectRoot(link), QUERY_TIMEOUT_MS);
  }

  async removeRoots(owner: string): Promise<void> {
    const directory = this.#ownerDirectory(owner);
    const links = ignoring("ENOENT", () => readdirSync(directory));
    if (links === undefined) return;
    for (const link of links) ignoring("ENOENT", () => unlinkSync(path.join(directory, link)));
    ignoring("ENOENT", () => rmdirSync(directory));
  }

  async rootOwners(): Promise<string[]> {
    return ignoring("ENOENT", () => readdirSync(this.#rootsDirectory)) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const clients = [this.#queries, ...this.#imports];
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  }

  #ownerDirectory(owner: string): string {
    if (!OWNER.test(owner)) throw new NixError(`'${owner}' can not own roots: it is no file name`);
    return path.join(this.#rootsDirectory, owner);
  }

  #importer(): DaemonClient {
    return this.#imports.reduce((best, client) => (client.waiting < best.waiting ? client : best));
  }
}

function factsOf(storePath: string, stored: StoredPath): PathFacts {
  return {
    path: storePath,
    narHash: formatNix32Hash(parseHash(stored.narHashHex, "sha256")),
    narSize: stored.narSize,
    references: [...new Set(stored.references)].toSorted(),
    deriver: stored.deriver,
    ca: stored.ca,
    signatures: stored.signatures,
  };
}

/** Runs a call for which an error with this code means that the state is the wanted one already. */
function ignoring<T>(code: string, call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === code) return undefined;
    throw error;
  }
}
