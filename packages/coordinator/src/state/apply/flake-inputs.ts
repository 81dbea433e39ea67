import { v7 as uuidv7 } from "uuid";
import {
  deleteFlakeInput,
  insertFlakeInput,
  listFlakeInputs,
  updateFlakeInput,
} from "../../db/flake-input-repository.ts";
import { forceEvaluation } from "../../db/project-repository.ts";
import type { DeclaredProject } from "../declared.ts";
import type { Applying } from "./applying.ts";

/** Makes the inputs that the project overrides those of the file; without any word all stay. Tells whether anything changed. */
export async function applyFlakeInputs(
  { db, now }: Applying,
  { flake_input_overrides: declared }: DeclaredProject,
  projectId: string,
): Promise<boolean> {
  if (declared === undefined) return false;
  const found = await listFlakeInputs(db, projectId);
  const wanted = new Map(Object.entries(declared).map(([input, { url }]) => [input, url]));
  let isChanged = false;
  for (const { id, input_name: input, url: old } of found) {
    const url = wanted.get(input);
    wanted.delete(input);
    if (url === old) continue;
    isChanged = true;
    if (url === undefined) await deleteFlakeInput(db, id);
    else await updateFlakeInput(db, id, { input_name: input, url, updated_at: now });
  }
  for (const [input, url] of wanted) {
    isChanged = true;
    const times = { created_at: now, updated_at: now };
    await insertFlakeInput(db, {
      id: uuidv7(),
      project_id: projectId,
      input_name: input,
      url,
      ...times,
    });
  }
  if (isChanged) await forceEvaluation(db, projectId);
  return isChanged;
}
