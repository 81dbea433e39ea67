import { CandidateScanner } from "@gradient/protocol";
import type { NarObject } from "../db/nar-object-repository.ts";
import { readNar } from "../nar-contents/read-nar.ts";
import type { NarStore } from "../ports.ts";

/** Which of the candidates (32 characters each) occur in the NAR. Reads it again when too much was found to be kept. */
export async function findReferences(
  nars: NarStore,
  object: NarObject,
  candidates: Iterable<string>,
): Promise<Set<string>> {
  if (object.foundHashes !== null) {
    const kept = new Set(object.foundHashes);
    return new Set([...candidates].filter((candidate) => kept.has(candidate)));
  }
  const scanner = new CandidateScanner(candidates);
  for await (const piece of readNar(nars, object.narHash)) scanner.write(piece);
  return new Set(scanner.found());
}
