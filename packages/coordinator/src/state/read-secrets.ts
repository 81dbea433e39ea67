import { readSecretFile } from "../config/secret-file.ts";
import { CoordinatorError, UserError } from "../errors.ts";
import { parseCacheKey, type CacheKey } from "../keys/cache-key.ts";
import { parseSshKey, type SshKeyPair } from "../keys/ssh-key.ts";
import { checkWorkerToken } from "../rules/worker.ts";
import { formatPath, type Declared, type Path, type Problem } from "./declared.ts";
import { passwordHashFault } from "./password-hash.ts";
import { SignatureError } from "@gradient/protocol";

/** What the files of a state file hold, by the files' names. */
export interface DeclaredSecrets {
  readonly passwordHashes: ReadonlyMap<string, string>;
  readonly sshKeys: ReadonlyMap<string, SshKeyPair>;
  readonly cacheKeys: ReadonlyMap<string, CacheKey>;
  readonly workerTokens: ReadonlyMap<string, string>;
  /** SHA-256 of API keys. */
  readonly keyHashes: ReadonlyMap<string, string>;
  /** Secrets of forges and of upstreams. */
  readonly texts: ReadonlyMap<string, string>;
}

interface Named {
  readonly path: Path;
  readonly file: string | undefined;
}

/** Reads every file that is named, and tells of all that cannot be used. */
export async function readSecrets(
  declared: Declared,
): Promise<DeclaredSecrets | readonly [Problem, ...Problem[]]> {
  const problems: Problem[] = [];
  const read = async <T>(
    named: readonly Named[],
    parse: (text: string) => T,
  ): Promise<Map<string, T>> => {
    const found = new Map<string, T>();
    for (const { path, file } of named) {
      if (file === undefined || found.has(file)) continue;
      const secret = await readOne(file, parse);
      if ("fault" in secret) problems.push({ path: formatPath(path), message: secret.fault });
      else found.set(file, secret.value);
    }
    return found;
  };
  const secrets: DeclaredSecrets = {
    passwordHashes: await read(
      declared.users.map((each) => of(each, "password_file")),
      passwordHash,
    ),
    sshKeys: await read(
      declared.organizations.map((each) => of(each, "private_key_file")),
      parseSshKey,
    ),
    cacheKeys: await read(
      declared.caches.map((each) => of(each, "signing_key_file")),
      parseCacheKey,
    ),
    workerTokens: await read(
      declared.workers.map((each) => of(each, "token_file")),
      checkWorkerToken,
    ),
    keyHashes: await read(
      declared.apiKeys.map((each) => of(each, "key_file")),
      keyHash,
    ),
    texts: await read(textsOf(declared), (text) => text.trim()),
  };
  const [first, ...others] = problems;
  return first === undefined ? secrets : [first, ...others];
}

function of<K extends string>(
  entry: { readonly path: Path } & { readonly [Key in K]?: string | undefined },
  key: K,
): Named {
  return { path: [...entry.path, key], file: entry[key] };
}

function textsOf({ integrations, caches, projects }: Declared): Named[] {
  return [
    ...projects.flatMap(({ path, actions = [] }) =>
      actions.map((action, at) => ({
        path: [...path, "actions", at, "config", "token_file"],
        file: action.type === "send_web_request" ? action.config.token_file : undefined,
      })),
    ),
    ...integrations.flatMap((each) => [of(each, "secret_file"), of(each, "access_token_file")]),
    ...caches.flatMap((cache) =>
      cache.upstreams.map((upstream, at) => ({
        path: [...cache.path, "upstreams", at, "api_key_file"],
        file: upstream.type === "gradient" ? upstream.api_key_file : undefined,
      })),
    ),
  ];
}

/** Never tells what is in the file. */
async function readOne<T>(
  file: string,
  parse: (text: string) => T,
): Promise<{ value: T } | { fault: string }> {
  try {
    return { value: parse(await readSecretFile(file)) };
  } catch (error) {
    if (error instanceof UserError) return { fault: error.message };
    if (error instanceof CoordinatorError || error instanceof SignatureError) {
      return { fault: `file ${file} cannot be used: ${error.message}` };
    }
    throw error;
  }
}

function passwordHash(text: string): string {
  const hash = text.trim();
  const fault = passwordHashFault(hash);
  if (fault !== null) throw new UserError(`a file with a password's hash cannot be used: ${fault}`);
  return hash;
}

function keyHash(text: string): string {
  const hash = text.trim();
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new UserError(
    "a file with the hash of an API key cannot be used: expected the SHA-256, in hexadecimal, of the 64 characters behind GRAD",
  );
}
