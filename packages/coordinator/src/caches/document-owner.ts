import { z } from "zod";
import type { DocumentOwner } from "../db/cache-document-repository.ts";
import { CoordinatorError } from "../errors.ts";
import { unpackText } from "./cache-documents.ts";

const LOG = "log/";
const ARCHIVE = /^\.\.\/nar\/(?<file>[0-9a-z]{52})\./;

/** Of realisations and indices of debug information. */
const schema = z.looseObject({ outPath: z.string(), archive: z.string() }).partial();

/** Logs tell by their names. `findBody`: the packed document, which others are read for. */
export async function ownerOfDocument(
  name: string,
  findBody: () => Promise<Uint8Array | null>,
): Promise<DocumentOwner> {
  if (name.startsWith(LOG)) {
    const drv = name.slice(LOG.length);
    return { path: drv, deriver: drv };
  }
  const body = await findBody();
  return body === null ? {} : readOwner(body);
}

async function readOwner(body: Uint8Array): Promise<DocumentOwner> {
  try {
    const { outPath, archive } = schema.parse(JSON.parse(await unpackText(body)));
    const { file } = ARCHIVE.exec(archive ?? "")?.groups ?? {};
    const path = outPath?.slice(outPath.lastIndexOf("/") + 1);
    return { ...(path === undefined ? {} : { path }), ...(file === undefined ? {} : { file }) };
  } catch (error) {
    const isDamaged =
      error instanceof CoordinatorError ||
      error instanceof SyntaxError ||
      error instanceof z.ZodError;
    if (isDamaged) return {};
    throw error;
  }
}
