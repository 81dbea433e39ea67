import { access } from "node:fs/promises";
import path from "node:path";
import { formatSriHash, parseHash } from "@gradient/protocol";
import { z } from "zod";
import type { EvaluationSubject, NixStore, UsageMeter } from "../../ports.ts";
import { ProcessError } from "../../process/process-error.ts";
import { runProcess } from "../../process/run.ts";
import { EvaluationError } from "../evaluation-error.ts";
import { summarizeError, withGitReason } from "../error-text.ts";
import type { NixInstallation } from "../installation.ts";
import { type EvaluationSource, nixString } from "./evaluation-source.ts";
import { toldReference } from "./local-flake.ts";
import { overrideInputs } from "./override-inputs.ts";
import { isReproducible } from "./reproducible.ts";

/** Where a classic tree has its expression; the first that is there. */
const EXPRESSION_FILES = ["default.nix", "release.nix", "ci.nix"];
/** Nothing that is not in the lock file is looked up anywhere. */
const FLAKE_OPTIONS = [
  "--extra-experimental-features",
  "nix-command flakes",
  "--option",
  "use-registries",
  "false",
  "--option",
  "accept-flake-config",
  "false",
];
const PURE_OPTIONS = ["--option", "pure-eval", "true"];
/** What fetchers may ask in restricted mode: everything but files of this machine. */
const REMOTE_URIS = [
  "http://",
  "https://",
  "ssh://",
  "git://",
  "git+http://",
  "git+https://",
  "git+ssh://",
  "github:",
  "gitlab:",
  "sourcehut:",
].join(" ");
const ARGUMENT_NAME = /^[a-zA-Z_][a-zA-Z0-9_'-]*$/;

interface Tools {
  nix: NixInstallation;
  store: NixStore;
  meter: UsageMeter;
  /** For what has to be written beside the store. */
  stateDirectory: string;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Turns what is to be evaluated into what the programs of Nix are told. Rejects with an EvaluationError that says what is missing. */
export async function locateSource(
  subject: EvaluationSubject,
  tools: Tools,
): Promise<EvaluationSource> {
  switch (subject.type) {
    case "tree":
      return locateTree(subject, tools);
    case "file":
      return classicSource(subject.file, {
        arguments: subject.arguments,
        names: [path.dirname(subject.file)],
        identity: null,
        options: [],
      });
    case "flake":
      return locateFlake(subject.reference, tools);
  }
}

async function locateTree(
  subject: Extract<EvaluationSubject, { type: "tree" }>,
  tools: Tools,
): Promise<EvaluationSource> {
  const { store } = tools;
  const { directory, storePath, overrides } = subject;
  const names = storePath === null ? [directory] : [directory, storePath];
  const isFlake = await exists(path.join(directory, "flake.nix"));
  if (overrides !== undefined) {
    if (!isFlake) {
      throw new EvaluationError(
        "bad_flake",
        "the tree has no flake.nix: it has no inputs to override",
      );
    }
    const tree = await overrideInputs(directory, overrides.inputs, tools);
    await overrides.keep(tree);
    return flakeSource(await referenceOf(tree, store), [...names, tree]);
  }
  if (isFlake) {
    const tree = storePath ?? (await store.addTree(directory, "source"));
    return flakeSource(await referenceOf(tree, store), names);
  }
  for (const name of EXPRESSION_FILES) {
    const file = path.join(directory, name);
    if (!(await exists(file))) continue;
    const isStored = storePath !== null && (await isReproducible(directory));
    const identity = isStored ? `${storePath}/${name}` : null;
    // Whose tree comes from the store was sent by somebody: it is not theirs to read what this worker may.
    const options = storePath === null ? [] : restrictedTo(directory);
    return classicSource(file, { arguments: [], names, identity, options });
  }
  throw new EvaluationError(
    "no_expression",
    "the tree has no flake.nix, default.nix, release.nix or ci.nix: there is nothing to evaluate",
  );
}

function classicSource(
  file: string,
  rest: Pick<EvaluationSource, "arguments" | "names" | "identity" | "options">,
): EvaluationSource {
  const wrong = rest.arguments.find(({ name }) => !ARGUMENT_NAME.test(name));
  if (wrong !== undefined) {
    const message = `'${wrong.name}' can not be the name of an argument`;
    throw new EvaluationError("bad_argument", message);
  }
  const imported = `import ${nixString(file)}`;
  return { ...rest, label: path.basename(file), imported, isPure: false };
}

/** Evaluation reads the directory, what NIX_PATH names, and what it fetches or builds; nothing else of the machine. */
function restrictedTo(directory: string): string[] {
  const settings = { "restrict-eval": "true", "allowed-uris": REMOTE_URIS };
  const options = Object.entries(settings).flatMap(([name, value]) => ["--option", name, value]);
  return [...options, "-I", `evaluated-tree=${directory}`];
}

function flakeSource(reference: string, names: readonly string[]): EvaluationSource {
  return {
    label: "flake.nix",
    imported: `(builtins.getFlake ${nixString(reference)}).outputs`,
    arguments: [],
    options: [...FLAKE_OPTIONS, ...PURE_OPTIONS],
    isPure: true,
    identity: reference,
    names,
  };
}

/** A tree in the store, by its content. */
async function referenceOf(storePath: string, store: NixStore): Promise<string> {
  const facts = await store.pathFacts(storePath);
  if (facts === null) {
    throw new EvaluationError("no_expression", `${storePath} is not in the store`);
  }
  const narHash = formatSriHash(parseHash(facts.narHash));
  return `path:${storePath}?narHash=${encodeURIComponent(narHash)}`;
}

const metadataSchema = z.object({
  url: z.string(),
  path: z.string(),
  locked: z.object({
    rev: z.string().optional(),
    narHash: z.string().optional(),
    dir: z.string().optional(),
  }),
});

/** A commit stays a commit, with what is known of it; what has no commit (a changed working tree) becomes its content. */
async function locateFlake(reference: string, tools: Tools): Promise<EvaluationSource> {
  const { url, path: tree, locked } = await askMetadata(reference, tools);
  const names = [tools.store.physicalPath(tree), tree, `«${url.replace(/\?.*/, "")}»`];
  const { rev, dir } = locked;
  const place = dir === undefined ? "" : encodeURIComponent(dir);
  // Nix 2.8 encodes a name wrongly that is not ASCII.
  if (rev !== undefined) return flakeSource(url.replace(/(?<=[?&]dir=)[^&]*/, place), names);
  const content = await referenceOf(tree, tools.store);
  return flakeSource(place === "" ? content : `${content}&dir=${place}`, names);
}

async function askMetadata(
  reference: string,
  { nix, meter, timeoutMs, signal }: Tools,
): Promise<z.infer<typeof metadataSchema>> {
  const told = await toldReference(reference);
  const line = [...meter.enter, "nix", ...FLAKE_OPTIONS, "flake", "metadata"];
  line.push("--json", "--no-update-lock-file", "--", told.reference);
  const [command = "", ...args] = line;
  const title = "nix flake metadata";
  try {
    const { stdout } = await runProcess({
      command,
      args,
      title,
      timeoutMs,
      signal,
      env: nix.environment,
      cwd: told.directory,
    });
    return metadataSchema.parse(JSON.parse(stdout.toString()));
  } catch (error) {
    if (!(error instanceof ProcessError) || error.code !== "process_failed") throw error;
    const said = withGitReason(summarizeError(error.stderr, []), error.stderr);
    throw new EvaluationError("bad_flake", trackHint(lockHint(said)), error);
  }
}

/** Adds to Nix's words what to do when they are about an input that the lock file does not have. */
export function lockHint(error: string): string {
  const isAboutLock =
    /requires lock file changes|update (?:unlocked )?flake input|unlocked flake|not locked|lock file .*(?:missing|contains)|in pure (?:evaluation )?mode/i.test(
      error,
    ) && /flake|lock/i.test(error);
  if (!isAboutLock) return error;
  return `${error}\nEvery input has to be locked: run 'nix flake lock' and commit flake.lock`;
}

/** Before 2.34 Nix takes a flake that Git does not know for one that is not there. */
function trackHint(error: string): string {
  const isMissing = /\/nix\/store\/[^/']+\/flake\.nix'(: No such file| does not exist)/.test(error);
  if (!isMissing) return error;
  return `${error}\nIn a Git repository only files that Git knows are seen: run 'git add flake.nix'`;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
