import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { makeDirectories } from "../make-directories.ts";

const NAME = "gradient-worker";

export interface StateDirectory extends AsyncDisposable {
  readonly path: string;
}

/**
 * Where a command without a coordinator keeps its few files: what was asked for, else the directory of the machine's worker when it can be
 * written, else one below the user's state directory, else a temporary one.
 */
export async function openStateDirectory(options: {
  given: string | null;
  usual: string;
  environment: Readonly<Record<string, string | undefined>>;
}): Promise<StateDirectory> {
  const { given, usual, environment } = options;
  if (given !== null) {
    const failure = await failureToUse(given);
    if (failure === null) return kept(given);
    throw new UserError("state-dir", `cannot use ${given}: ${reasonOf(failure)}`, {
      cause: failure,
    });
  }
  for (const path of [usual, ...userDirectories(environment)]) {
    if ((await failureToUse(path)) === null) return kept(path);
  }
  const path = await mkdtemp(join(tmpdir(), `${NAME}-`));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

function userDirectories(environment: Readonly<Record<string, string | undefined>>): string[] {
  const state = environment["XDG_STATE_HOME"] ?? "";
  if (state.startsWith("/")) return [join(state, NAME)];
  const home = environment["HOME"] ?? "";
  return home.startsWith("/") ? [join(home, ".local/state", NAME)] : [];
}

async function failureToUse(path: string): Promise<unknown> {
  try {
    await makeDirectories(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    return error;
  }
}

function kept(path: string): StateDirectory {
  return { path, [Symbol.asyncDispose]: async () => {} };
}
