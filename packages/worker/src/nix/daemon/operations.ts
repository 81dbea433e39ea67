import type { Derivation, PathFacts } from "@gradient/protocol";
import type { MissingPaths } from "../../ports.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { Call } from "./connection.ts";
import { type FrameListener, cleanMessage } from "./frames.ts";
import { Request } from "./request.ts";

/** Operation numbers of the worker protocol. */
export const ADD_TO_STORE = 7;
export const ADD_TEXT_TO_STORE = 8;
export const BUILD_PATHS = 9;
const ADD_INDIRECT_ROOT = 12;
export const SET_OPTIONS = 19;
export const QUERY_PATH_INFO = 26;
export const QUERY_VALID_PATHS = 31;
const BUILD_DERIVATION = 36;
const ADD_TO_STORE_NAR = 39;
const QUERY_MISSING = 40;
const QUERY_DERIVATION_OUTPUT_MAP = 41;
export const BUILD_PATHS_WITH_RESULTS = 46;

/** How the path of a text file follows from its contents, in `AddToStore`. */
export const TEXT_METHOD = "text:sha256";

/** What the store knows of a valid path. Hashes are hexadecimal sha256. */
export interface StoredPath {
  deriver: string | null;
  narHashHex: string;
  narSize: number;
  references: string[];
  signatures: string[];
  ca: string | null;
}

export interface DaemonBuildResult {
  /** `BuildResult::Status`: 0 built, 3 failed, 8 timed out... */
  status: number;
  message: string | null;
}

export interface DaemonOptions {
  timeoutSeconds: number;
  maxSilentSeconds: number;
  /** 0 is all cores. */
  cores: number;
  overrides: Readonly<Record<string, string>>;
}

/**
 * Long-lived children must not remember what the store held: other processes build, sign and collect beside them. And
 * the coordinator decides what is substituted, not nix.conf.
 */
export const STORE_OPTIONS = {
  "narinfo-cache-positive-ttl": "0",
  "narinfo-cache-negative-ttl": "0",
  substituters: "",
} as const;

/** Those of the paths that are valid in the store. Nothing is looked for in substituters. */
export function queryValidPaths(paths: readonly string[]): Call<string[]> {
  const withSubstitution = false;
  return {
    request: new Request().number(QUERY_VALID_PATHS).strings(paths).boolean(withSubstitution),
    answer: (reader) => reader.strings(),
  };
}

/** null for a path that is not valid. */
export function queryPathInfo(path: string): Call<StoredPath | null> {
  return {
    request: new Request().number(QUERY_PATH_INFO).string(path),
    answer: async (reader) => ((await reader.number()) === 0 ? null : readStoredPath(reader)),
  };
}

/** Paths of a derivation's outputs by name; without those that are known only after it is built, and it is not. */
export function queryOutputPaths(drvPath: string): Call<Map<string, string>> {
  return {
    request: new Request().number(QUERY_DERIVATION_OUTPUT_MAP).string(drvPath),
    answer: async (reader) => {
      const paths = new Map<string, string>();
      for (let left = await reader.number(); left > 0; left -= 1) {
        const name = await reader.string();
        const path = await reader.string();
        if (path !== "") paths.set(name, path);
      }
      return paths;
    },
  };
}

/** What is missing for all outputs of these derivations, with the substituters of the connection's settings. */
export function queryMissing(
  drvPaths: readonly string[],
  listener: FrameListener = {},
): Call<MissingPaths> {
  return {
    request: new Request().number(QUERY_MISSING).strings(drvPaths.map((path) => `${path}!*`)),
    listener,
    answer: async (reader) => {
      const willBuild = await reader.strings();
      const willSubstitute = await reader.strings();
      await reader.strings(); // what nobody has, and no derivation is known for
      const downloadBytes = await reader.number();
      const unpackedBytes = await reader.number();
      return { willBuild, willSubstitute, downloadBytes, unpackedBytes };
    },
  };
}

/** Makes store paths valid from the substituters of the connection's settings. */
export function substitutePaths(paths: readonly string[], listener: FrameListener): Call<void> {
  const normal = 0;
  return {
    request: new Request().number(BUILD_PATHS).strings(paths).number(normal),
    listener,
    answer: skipNumber,
  };
}

/** Makes a symlink outside the store a root, for as long as it is there. */
export function addIndirectRoot(link: string): Call<void> {
  return { request: new Request().number(ADD_INDIRECT_ROOT).string(link), answer: skipNumber };
}

/** Imports a path as it is; signatures are not looked at. `narHashHex` is the sha256 that Nix will check. */
export function addToStoreNar(
  facts: PathFacts,
  narHashHex: string,
  nar: AsyncIterable<Uint8Array>,
): Call<void> {
  const request = new Request()
    .number(ADD_TO_STORE_NAR)
    .string(facts.path)
    .string(facts.deriver ?? "")
    .string(narHashHex)
    .strings(facts.references)
    .number(0) // registration time: now
    .number(facts.narSize)
    .boolean(false) // not ultimately trusted: it was not built here
    .strings(facts.signatures)
    .string(facts.ca ?? "")
    .boolean(false) // no repair
    .boolean(true); // without a check of signatures
  return { request, body: nar, answer: async () => {} };
}

/** Adds a NAR under a name, addressed by its content, and answers its store path. */
export function addToStore(name: string, nar: AsyncIterable<Uint8Array>): Call<string> {
  const request = new Request()
    .number(ADD_TO_STORE)
    .string(name)
    .string("fixed:r:sha256")
    .strings([]) // references
    .boolean(false); // no repair
  return { request, body: nar, answer: readAddedPath };
}

/** Makes a request to add a text file that is in the protocol's words already, and answers its store path. */
export function addText(request: Buffer): Call<string> {
  return { request: new Request().raw(request), answer: (reader) => reader.string() };
}

/** Settings for what follows on this connection. */
export function setOptions(options: DaemonOptions): Call<void> {
  const overrides = Object.entries(options.overrides);
  const request = new Request()
    .number(SET_OPTIONS)
    .boolean(false) // keep failed
    .boolean(false) // keep going
    .boolean(false) // fallback
    .number(3) // verbosity: info
    .number(1) // jobs
    .number(options.maxSilentSeconds)
    .boolean(true) // obsolete: use build hook
    .number(0) // verbose build
    .number(0) // obsolete: log type
    .number(0) // obsolete: print build trace
    .number(options.cores)
    .boolean(false) // use substitutes
    .number(overrides.length + 1)
    .string("timeout")
    .string(String(options.timeoutSeconds));
  for (const [name, value] of overrides) request.string(name).string(value);
  return { request, answer: async () => {} };
}

/** Builds all outputs of one derivation, after its inputs where they are missing. */
export function buildOutputs(drvPath: string, listener: FrameListener): Call<DaemonBuildResult> {
  const normal = 0;
  return {
    request: new Request()
      .number(BUILD_PATHS_WITH_RESULTS)
      .strings([`${drvPath}!*`])
      .number(normal),
    listener,
    answer: readOnlyResult,
  };
}

/**
 * Builds all outputs of a derivation as it is given here: the store's `.drv` is not looked at, and nothing else is built. `inputs` are all paths that it needs. Only for a
 * store that trusts us.
 */
export function buildDerivation(
  drvPath: string,
  { derivation, inputs }: { derivation: Derivation; inputs: readonly string[] },
  listener: FrameListener,
): Call<DaemonBuildResult> {
  const { outputs, system, builder, args, env } = derivation;
  const normal = 0;
  const request = new Request().number(BUILD_DERIVATION).string(drvPath).number(outputs.size);
  for (const [name, { path, hashAlgo, hash }] of outputs) {
    request
      .string(name)
      .string(path ?? "")
      .string(hashAlgo)
      .string(hash);
  }
  request.strings(inputs).latin1(system).latin1(builder).number(args.length);
  for (const argument of args) request.latin1(argument);
  request.number(env.size);
  for (const [name, value] of env) request.latin1(name).latin1(value);
  return { request: request.number(normal), listener, answer: readBuildResult };
}

async function readAddedPath(reader: ByteReader): Promise<string> {
  const path = await reader.string();
  await readStoredPath(reader);
  return path;
}

async function skipNumber(reader: ByteReader): Promise<void> {
  await reader.number();
}

async function readStoredPath(reader: ByteReader): Promise<StoredPath> {
  const deriver = await reader.string();
  const narHashHex = await reader.string();
  const references = await reader.strings();
  await reader.number(); // registration time
  const narSize = await reader.number();
  await reader.number(); // whether it was built here
  const signatures = await reader.strings();
  const ca = await reader.string();
  return {
    deriver: deriver === "" ? null : deriver,
    narHashHex,
    narSize,
    references,
    signatures,
    ca: ca === "" ? null : ca,
  };
}

/** Reads all results, and answers the only one there is. */
async function readOnlyResult(reader: ByteReader, minor: number): Promise<DaemonBuildResult> {
  const count = await reader.number();
  if (count !== 1) {
    throw new DaemonProtocolError(`nix-daemon answered ${count} results for one derivation`);
  }
  await reader.string(); // what was asked for
  return readBuildResult(reader, minor);
}

async function readBuildResult(reader: ByteReader, minor: number): Promise<DaemonBuildResult> {
  const status = await reader.number();
  const message = cleanMessage(await reader.string());
  // Times built, whether the build differed from an earlier one, start and stop in seconds.
  for (let index = 0; index < 4; index += 1) await reader.bigint();
  if (minor >= 37) {
    for (const _time of ["user", "system"]) {
      if ((await reader.number()) === 1) await reader.bigint();
    }
  }
  const outputs = await reader.number();
  for (let index = 0; index < outputs; index += 1) {
    await reader.string();
    await reader.string();
  }
  return { status, message: message === "" ? null : message };
}
