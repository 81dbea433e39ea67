import { isStorePath, storePathBase, type StorePath } from "@gradient/protocol";
import { z } from "zod";
import { BadRequestError } from "../errors.ts";

const OUTPUT = String.raw`[0-9A-Za-z+\-._?=]{1,211}`;
/** `sha256:<hex>!<output>`: an output of a derivation by the derivation's hash modulo its fixed outputs. */
const ID = new RegExp(`^sha256:[0-9a-f]{64}!${OUTPUT}$`);
const OUTPUT_NAME = new RegExp(`^${OUTPUT}$`);

/** As Nix since 2.35 writes it. Before, the key stood in it, too, and signatures were texts. */
const schema = z.looseObject({
  id: z.string().optional(),
  outPath: z.string(),
  signatures: z
    .array(z.union([z.string(), z.looseObject({ keyName: z.string(), sig: z.string() })]))
    .default([]),
  dependentRealisations: z.record(z.string(), z.string()).default({}),
});

/** An output of a derivation, as the place of its realisation in a cache names it: by the derivation's hash, or since Nix 2.35 by its base name. */
export type RealisationKey = { readonly place: string } & (
  | { readonly id: string }
  | { readonly id: null; readonly drv: string; readonly output: string }
);

/** Which path an output has become. */
export interface Realisation {
  readonly outPath: StorePath;
  /** `<key name>:<base 64>`. */
  readonly signatures: readonly string[];
  /** What is signed: Nix's own JSON without the signatures, its keys in order. */
  readonly fingerprint: string;
}

/** As Nix before 2.35 names an output of a derivation, and the file that tells what it has become. */
export function isRealisationId(text: string): boolean {
  return ID.test(text);
}

/** What Nix takes for the name of an output: it becomes a part of a store path's name. */
export function isOutputName(text: string): boolean {
  return OUTPUT_NAME.test(text);
}

/** What a document tells of an output of a content-addressed derivation. The key's `id` has to stand in it, where it has one. Throws BadRequestError. */
export function parseRealisation(text: string, key: RealisationKey): Realisation {
  const parsed = schema.safeParse(readJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "wrong shape"}`);
  }
  const { id, outPath, signatures, dependentRealisations } = parsed.data;
  if (key.id !== null && id !== key.id) {
    throw refused(`it is of ${id ?? "nothing"}, and not of ${key.id}`);
  }
  const path = outPath.startsWith("/") ? outPath : `/nix/store/${outPath}`;
  if (!isStorePath(path)) throw refused(`outPath: "${outPath}" is no store path`);
  return {
    outPath: path,
    signatures: signatures.map((each) =>
      typeof each === "string" ? each : `${each.keyName}:${each.sig}`,
    ),
    fingerprint: fingerprintOf(key, path, dependentRealisations),
  };
}

function fingerprintOf(
  key: RealisationKey,
  path: StorePath,
  dependent: Readonly<Record<string, string>>,
): string {
  const outPath = storePathBase(path);
  if (key.id === null) {
    const { drv: drvPath, output: outputName } = key;
    return JSON.stringify({ key: { drvPath, outputName }, value: { outPath } });
  }
  const dependentRealisations = Object.fromEntries(
    Object.entries(dependent).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  return JSON.stringify({ dependentRealisations, id: key.id, outPath });
}

/** The document with these signatures before its others, written as its place has them. */
export function withSignatures(text: string, key: RealisationKey, own: readonly string[]): string {
  const { signatures } = parseRealisation(text, key);
  const all = [...new Set([...own, ...signatures])].map((each) => {
    if (key.id !== null) return each;
    const at = each.indexOf(":");
    return { keyName: each.slice(0, at), sig: each.slice(at + 1) };
  });
  return JSON.stringify({ ...z.looseObject({}).parse(readJson(text)), signatures: all });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadRequestError("the realisation is not JSON", { code: "bad_realisation", cause });
  }
}

function refused(reason: string): BadRequestError {
  return new BadRequestError(`the realisation is refused: ${reason}`, { code: "bad_realisation" });
}
