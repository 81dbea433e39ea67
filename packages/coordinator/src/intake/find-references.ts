import { CandidateScanner } from "@gradient/protocol";
import type { NarObject } from "../db/nar-object-repository.ts";
import type { NarFiles } from "../storage/nar-files.ts";
import { readNar } from "./nar-intake.ts";

/** Which of the candidates (32 characters each) occur in the NAR. Reads it again when too much was found to be kept. */
export async function findReferences(
  files: NarFiles,
  object: NarObject,
  candidates: Iterable<string>,
): Promise<Set<string>> {
  if (object.foundHashes !== null) {
    const kept = new Set(object.foundHashes);
    return new Set([...candidates].filter((candidate) => kept.has(candidate)));
  }
  const scanner = new CandidateScanner(candidates);
  for await (const piece of readNar(files, object.narHash)) scanner.write(piece);
  return new Set(scanner.found());
}
