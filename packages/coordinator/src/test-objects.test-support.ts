import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  derivationStorePath,
  dumpPath,
  encodeNix32,
  fixedOutputStorePath,
  formatDerivation,
  formatNix32Hash,
  hashBytes,
  makeStorePath,
  type Derivation,
  type DrvPath,
  type PathFacts,
  type StorePath,
} from "@gradient/protocol";
import { pack } from "tar-stream";
import { compress } from "zstd-napi";

/** A path on a worker's disk: its facts without signatures, and the bytes that it uploads. */
export interface TestObject {
  readonly facts: PathFacts & { readonly path: StorePath };
  readonly nar: Buffer;
  readonly body: Buffer;
}

/** A `.drv` file with what it says. */
export interface TestDerivation {
  readonly path: DrvPath;
  readonly bytes: Buffer;
  readonly derivation: Derivation;
  readonly outputs: ReadonlyMap<string, StorePath>;
}

/** NAR of a directory that holds one file with this text. */
export async function narOfText(text: string): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "farm-tree-"));
  try {
    await writeFile(join(directory, "file"), text);
    const pieces: Buffer[] = [];
    for await (const piece of dumpPath(directory)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function objectOf(
  path: StorePath,
  nar: Buffer,
  change: Partial<Omit<PathFacts, "path">>,
): TestObject {
  const narHash = `sha256:${encodeNix32(createHash("sha256").update(nar).digest())}`;
  const facts = {
    path,
    narHash,
    narSize: nar.length,
    references: [],
    deriver: null,
    ca: null,
    signatures: [],
    ...change,
  };
  return { facts, nar, body: compress(nar) };
}

/** A source tree, addressed by its content. */
export async function makeSource(name: string, text: string): Promise<TestObject> {
  const nar = await narOfText(text);
  const hash = hashBytes("sha256", nar);
  const path = fixedOutputStorePath(name, { method: "recursive", hash });
  return objectOf(path, nar, { ca: `fixed:r:${formatNix32Hash(hash)}` });
}

/** What a builder would have left at `path`: its text names every reference, and `mention` without being said. */
export async function makeOutput(
  path: StorePath,
  options: { references?: readonly StorePath[]; mention?: readonly string[]; text?: string } = {},
): Promise<TestObject> {
  const { references = [], mention = [], text = path } = options;
  const nar = await narOfText([`made: ${text.slice(44)}`, ...references, ...mention].join("\n"));
  return objectOf(path, nar, { references: [...references].toSorted() });
}

export interface DerivationOptions {
  readonly inputs?: readonly TestDerivation[];
  readonly sources?: readonly StorePath[];
  readonly outputs?: readonly string[];
  readonly system?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A derivation with random output paths: nothing here computes them as Nix does. */
export function makeDerivation(name: string, options: DerivationOptions = {}): TestDerivation {
  const {
    inputs = [],
    sources = [],
    outputs = ["out"],
    system = "x86_64-linux",
    env = {},
  } = options;
  const paths = outputs.map((output): [string, StorePath] => {
    const type = `output:${output}`;
    const suffix = output === "out" ? "" : `-${output}`;
    return [output, makeStorePath(type, hashBytes("sha256", randomBytes(32)), name + suffix)];
  });
  const derivation: Derivation = {
    outputs: new Map(paths.map(([output, path]) => [output, { path, hashAlgo: "", hash: "" }])),
    inputDrvs: new Map(inputs.map((input) => [input.path, [...input.outputs.keys()].toSorted()])),
    inputSrcs: sources,
    system,
    builder: "/bin/sh",
    args: [],
    env: new Map(Object.entries({ name, ...env })),
  };
  const bytes = formatDerivation(derivation);
  return {
    path: derivationStorePath(`${name}.drv`, derivation, bytes),
    bytes,
    derivation,
    outputs: new Map(paths),
  };
}

/** The one output of a derivation that has one. */
export function outputOf(derivation: TestDerivation, name = "out"): StorePath {
  const path = derivation.outputs.get(name);
  if (path === undefined) throw new Error(`the derivation has no output '${name}'`);
  return path;
}

/** tar+zstd of `.drv` files. */
export async function makeBundle(derivations: readonly TestDerivation[]): Promise<Buffer> {
  const archive = pack();
  for (const { path, bytes } of derivations)
    archive.entry({ name: path.slice("/nix/store/".length) }, bytes);
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) {
    if (Buffer.isBuffer(piece)) pieces.push(piece);
  }
  return compress(Buffer.concat(pieces));
}
