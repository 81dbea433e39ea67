import { namesOf } from "./names.ts";

/** Where a derivation tells what of its output people want to download (a format of Hydra's). */
export const BUILD_PRODUCTS_PATH = "nix-support/hydra-build-products";

/** One line of the file, with what the NAR that has the file says of the path. */
export interface NamedProduct {
  /** First word: `file`, `doc`, `report`, `nix-build`. */
  type: string;
  subtype: string;
  /** Base name of the store path that it lies in. */
  base: string;
  /** Names below that; none when it is the whole store path. */
  names: string[];
  /** null when it lies in another NAR, or was not found in this one. */
  kind: "file" | "directory" | null;
  /** Bytes of a file; null for everything else. */
  size: number | null;
}

const LINE = /^(?<type>[\w-]+)\s+(?<subtype>[\w-]+)\s+(?:"(?<quoted>[^"]+)"|(?<plain>\S+))(?:\s|$)/;
const STORE_PATH =
  /^\/nix\/store\/(?<base>[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+\-._?=]+)(?<rest>\/.*)?$/;
/** More products of one output are not kept. */
const MAX_PRODUCTS = 1000;

/** Where a line says that a product is. */
export type ProductLine = Pick<NamedProduct, "type" | "subtype" | "base" | "names">;

/**
 * The lines of a hydra-build-products file: type, subtype, path, and what to open of a directory, which is not looked at. Lines that are none, and paths
 * that are in no store path or lead out of it, are skipped.
 */
export function parseBuildProducts(text: string): ProductLine[] {
  return text.split("\n").flatMap(parseLine).slice(0, MAX_PRODUCTS);
}

function parseLine(line: string): ProductLine[] {
  const groups = LINE.exec(line.trim())?.groups;
  const path = STORE_PATH.exec(groups?.["quoted"] ?? groups?.["plain"] ?? "")?.groups;
  const { type, subtype } = groups ?? {};
  const base = path?.["base"];
  if (type === undefined || subtype === undefined || base === undefined) return [];
  const names = namesOf(path?.["rest"] ?? "");
  return names === null ? [] : [{ type, subtype, base, names }];
}
