import { resolveSubmodule, RepositoryError } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import { ProcessError } from "../../process/process-error.ts";
import type { Git } from "./git.ts";

const TIMEOUT_MS = 120_000;
/** Paths in one command line. */
const PATHS_PER_CALL = 200;

/** A repository inside of another one's tree. */
export interface Submodule {
  /** Below the parent's tree. */
  readonly path: string;
  readonly repository: string;
  readonly commit: string;
}

/** What a commit's `.gitmodules`, which it has, names, as far as the tree has a commit at that place. Rejects with a final WorkerError when it cannot be read. */
export async function readSubmodules(
  git: Git,
  parent: string,
  commit: string,
): Promise<Submodule[]> {
  const named = await readNames(git, parent, `${commit}:.gitmodules`);
  const found: Submodule[] = [];
  const paths = [...named.keys()];
  for (let at = 0; at < paths.length; at += PATHS_PER_CALL) {
    const listing = await git.ask({
      args: ["ls-tree", "-z", "--full-tree", commit, "--", ...paths.slice(at, at + PATHS_PER_CALL)],
      title: "git ls-tree",
      timeoutMs: TIMEOUT_MS,
    });
    for (const [, hash = "", path = ""] of listing.matchAll(
      /160000 commit ([0-9a-f]{40})\t([^\0]*)\0/g,
    )) {
      const address = named.get(path);
      if (address === undefined) continue;
      found.push({ path, commit: hash, repository: resolve(parent, path, address) });
    }
  }
  return found;
}

/** Addresses by path. */
async function readNames(git: Git, parent: string, modules: string): Promise<Map<string, string>> {
  const text = await git
    .ask({
      args: ["config", `--blob=${modules}`, "-z", "--list"],
      title: "git config",
      timeoutMs: TIMEOUT_MS,
    })
    .catch((error: unknown) => {
      if (!(error instanceof ProcessError) || error.code !== "process_failed") throw error;
      throw new WorkerError(
        "bad-submodules",
        `.gitmodules of ${parent} cannot be read: ${error.message}`,
        {
          cause: error,
        },
      );
    });
  const modulesByName = new Map<string, { path?: string; url?: string }>();
  for (const entry of text.split("\0")) {
    const [, name, key, value] = /^submodule\.([^\n]+)\.(path|url)\n([^]*)$/.exec(entry) ?? [];
    if (name === undefined || value === undefined) continue;
    const module = modulesByName.get(name) ?? {};
    modulesByName.set(
      name,
      key === "path" ? { ...module, path: value } : { ...module, url: value },
    );
  }
  const named = new Map<string, string>();
  for (const { path, url } of modulesByName.values()) {
    if (path !== undefined && url !== undefined) named.set(path, url);
  }
  return named;
}

function resolve(parent: string, path: string, address: string): string {
  try {
    return resolveSubmodule(parent, address);
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    throw new WorkerError(error.code, `submodule '${path}': ${error.message}`, { cause: error });
  }
}
