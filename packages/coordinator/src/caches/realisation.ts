import { isStorePath, type StorePath } from "@gradient/protocol";
import { z } from "zod";
import { BadRequestError } from "../errors.ts";

/** `sha256:<hex>!<output>`: an output of a derivation by the derivation's hash modulo its fixed outputs. */
const ID = /^sha256:[0-9a-f]{64}![0-9A-Za-z+\-._?=]{1,211}$/;

const schema = z.looseObject({
  id: z.string(),
  outPath: z.string(),
  signatures: z.array(z.string()).default([]),
  dependentRealisations: z.record(z.string(), z.string()).default({}),
});

export function isRealisationId(text: string): boolean {
  return ID.test(text);
}

/** Which path an output of a content-addressed derivation has become, as Nix writes it. Throws BadRequestError. */
export function parseRealisation(text: string, id: string): { outPath: StorePath } {
  const parsed = schema.safeParse(readJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "wrong shape"}`);
  }
  if (parsed.data.id !== id) throw refused(`it is of ${parsed.data.id}, and not of ${id}`);
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
