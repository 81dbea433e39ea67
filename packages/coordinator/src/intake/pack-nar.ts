import type { NewNarObject } from "../db/nar-object-repository.ts";
import type { Draft } from "../storage/drafts.ts";
import { NarInspection } from "./nar-inspection.ts";
import { Packer } from "./received-file.ts";
import { Turns } from "./turns.ts";

/** Writes a NAR's compressed form into the draft and tells what both are. Throws UnprocessableError for bytes that are no NAR. */
export async function packNar(nar: AsyncIterable<Uint8Array>, draft: Draft): Promise<NewNarObject> {
  const inspection = new NarInspection(Number.MAX_SAFE_INTEGER);
  const packer = new Packer(draft);
  const turns = new Turns();
  for await (const chunk of nar) {
    inspection.write(chunk);
    await packer.write(chunk);
    await turns.giveWay();
  }
  return { ...inspection.finish(), ...(await packer.end()) };
}
