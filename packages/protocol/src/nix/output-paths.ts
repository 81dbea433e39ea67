import {
  DerivationError,
  formatAterm,
  type Derivation,
  type DerivationOutput,
} from "./derivation.ts";
import { formatHexDigest, HashError, hashBytes, parseHash, parseHashAlgorithm } from "./hash.ts";
import type { Hash, HashAlgorithm } from "./hash.ts";
import {
  fixedOutputStorePath,
  makeStorePath,
  textStorePath,
  type DrvPath,
  type StorePath,
} from "./store-path.ts";

/**
 * Hash of a derivation modulo its fixed-output inputs, in hexadecimal: two derivations with the same one make the same outputs.
 * null when it can be known only after a build, because the derivation or one of its inputs is content-addressed.
 */
export type ModuloHash = string | null;

/** Answers with the hash that `hashDerivationModulo` gave for an input; undefined when it is not known. */
export type ModuloHashes = (drvPath: DrvPath) => ModuloHash | undefined;

/**
 * Throws DerivationError for an input that `inputs` does not know and for a kind of output that the farm does not support.
 * Work through a closure in the order of its dependencies and keep each answer: nothing is computed twice then.
 */
export function hashDerivationModulo(derivation: Derivation, inputs: ModuloHashes): ModuloHash {
  const fixed = fixedOutput(derivation);
  if (fixed) {
    const { hashAlgo, hash, path } = fixed;
    return sha256Hex(`fixed:out:${hashAlgo}:${hash}:${path ?? ""}`);
  }
  for (const { path, hashAlgo } of derivation.outputs.values()) {
    if (path === null || hashAlgo !== "") return null;
  }
  return hashWithInputs(derivation, inputs);
}

/**
 * The output paths that Nix would compute; null for one that is known only after the build. `name` is the derivation's, without `.drv`.
 * They do not depend on the paths that the derivation itself states, so that those can be checked.
 * Throws DerivationError as `hashDerivationModulo` does.
 */
export function outputPaths(
  name: string,
  derivation: Derivation,
  inputs: ModuloHashes,
): Map<string, StorePath | null> {
  const fixed = fixedOutput(derivation);
  if (fixed) return new Map([["out", fixedOutputPath(name, fixed)]]);
  const names = [...derivation.outputs.keys()];
  const isFloating = [...derivation.outputs.values()].some(({ hashAlgo }) => hashAlgo !== "");
  const hash = isFloating ? null : hashWithInputs(withoutOutputPaths(derivation), inputs);
  if (hash === null) return new Map(names.map((output) => [output, null]));
  const inner: Hash = { algorithm: "sha256", digest: Buffer.from(hash, "hex") };
  return new Map(
    names.map((output) => [
      output,
      makeStorePath(`output:${output}`, inner, output === "out" ? name : `${name}-${output}`),
    ]),
  );
}

/** Whether the one output's contents are known beforehand (`outputHash`), as of a download. */
export function isFixedOutput(derivation: Derivation): boolean {
  return fixedOutput(derivation) !== null;
}

function fixedOutput(derivation: Derivation): DerivationOutput | null {
  const out = derivation.outputs.get("out");
  const isFixed = derivation.outputs.size === 1 && out !== undefined && out.hash !== "";
  return isFixed && out.hash !== "impure" ? out : null;
}

function fixedOutputPath(name: string, output: DerivationOutput): StorePath {
  const [, method, algorithm] = /^(r:|text:|git:)?(.*)$/.exec(output.hashAlgo) ?? [];
  if (method === "git:") {
    throw new DerivationError(
      `derivation '${name}' has a Git-hashed output: this is not supported`,
    );
  }
  const hash = parseOutputHash(name, output.hash, algorithm ?? "");
  if (method === "text:") return textStorePath(name, hash, []);
  return fixedOutputStorePath(name, { method: method === "r:" ? "recursive" : "flat", hash });
}

function parseOutputHash(name: string, hash: string, algorithm: string): Hash {
  try {
    const known: HashAlgorithm = parseHashAlgorithm(algorithm);
    return parseHash(hash, known);
  } catch (error) {
    if (!(error instanceof HashError)) throw error;
    throw new DerivationError(`output hash of derivation '${name}': ${error.message}`, {
      cause: error,
    });
  }
}

/** As it was when its output paths were computed: empty, also in the environment variables of their names. */
function withoutOutputPaths(derivation: Derivation): Derivation {
  const { outputs, env } = derivation;
  return {
    ...derivation,
    outputs: new Map([...outputs].map(([name, output]) => [name, { ...output, path: null }])),
    env: new Map([...env].map(([name, value]) => [name, outputs.has(name) ? "" : value])),
  };
}

/** Inputs stand under their own modulo hashes; inputs that hash alike become one (libstore/derivations.cc, hashDerivationModulo). */
function hashWithInputs(derivation: Derivation, inputs: ModuloHashes): ModuloHash {
  const byHash = new Map<string, Set<string>>();
  for (const [drvPath, outputs] of derivation.inputDrvs) {
    const hash = inputs(drvPath);
    if (hash === undefined)
      throw new DerivationError(`input '${drvPath}' is not known: read it first`);
    if (hash === null) return null;
    byHash.set(hash, new Set([...(byHash.get(hash) ?? []), ...outputs]));
  }
  return sha256Hex(formatAterm(derivation, byHash));
}

function sha256Hex(byteString: string): string {
  return formatHexDigest(hashBytes("sha256", Buffer.from(byteString, "latin1")));
}
