import { isStorePath, type StorePath } from "@gradient/protocol";
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
});

/** As Nix before 2.35 names an output of a derivation, and the file that tells what it has become. */
export function isRealisationId(text: string): boolean {
  return ID.test(text);
}

/** What Nix takes for the name of an output: it becomes a part of a store path's name. */
export function isOutputName(text: string): boolean {
  return OUTPUT_NAME.test(text);
}

/** Which path an output of a content-addressed derivation has become. `id` is what has to stand in it; null: no key does. Throws BadRequestError. */
export function parseRealisation(text: string, id: string | null): { outPath: StorePath } {
  const parsed = schema.safeParse(readJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "wrong shape"}`);
  }
  if (id !== null && parsed.data.id !== id) {
    throw refused(`it is of ${parsed.data.id ?? "nothing"}, and not of ${id}`);
  }
  const { outPath } = parsed.data;
  const path = outPath.startsWith("/") ? outPath : `/nix/store/${outPath}`;
  if (!isStorePath(path)) throw refused(`outPath: "${outPath}" is no store path`);
  return { outPath: path };
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
