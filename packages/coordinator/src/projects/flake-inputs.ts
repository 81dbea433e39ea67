import type { InputOverride } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import type { Database, Queries } from "../db/client.ts";
import {
  deleteFlakeInput,
  findFlakeInput,
  insertFlakeInput,
  listFlakeInputs,
  updateFlakeInput,
  type FlakeInput,
} from "../db/flake-input-repository.ts";
import { forceEvaluation, type Project } from "../db/project-repository.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";
import { checkInputOverrides, storePathOf } from "../rules/input-override.ts";

/*
 * Inputs of a project's flake that are others than its lock file says. What stands here when an evaluation begins holds for all of it; after a
 * change the next evaluation runs even when no commit came.
 */

/** Resolves to the new one. Throws BadRequestError, ConflictError. */
export function addFlakeInput(
  database: Database,
  project: Project,
  override: InputOverride,
  now: number,
): Promise<FlakeInput> {
  return database.transaction(async ({ kysely }) => {
    const others = await listFlakeInputs(kysely, project.id);
    check(others, override);
    const row = {
      id: uuidv7(),
      project_id: project.id,
      input_name: override.input,
      url: override.url,
      created_at: now,
      updated_at: now,
    };
    await insertFlakeInput(kysely, row);
    await forceEvaluation(kysely, project.id);
    return row;
  });
}

/** Changes what is given. Throws as `addFlakeInput`, and NotFoundError. */
export function changeFlakeInput(
  database: Database,
  project: Project,
  id: string,
  change: Partial<InputOverride>,
  now: number,
): Promise<FlakeInput> {
  return database.transaction(async ({ kysely }) => {
    const row = await getFlakeInput(kysely, project, id);
    const override = { input: change.input ?? row.input_name, url: change.url ?? row.url };
    const others = await listFlakeInputs(kysely, project.id);
    check(
      others.filter((other) => other.id !== id),
      override,
    );
    const columns = { input_name: override.input, url: override.url, updated_at: now };
    await updateFlakeInput(kysely, id, columns);
    await forceEvaluation(kysely, project.id);
    return { ...row, ...columns };
  });
}

/** Throws NotFoundError. */
export async function removeFlakeInput(
  database: Database,
  project: Project,
  id: string,
): Promise<void> {
  await database.transaction(async ({ kysely }) => {
    await getFlakeInput(kysely, project, id);
    await deleteFlakeInput(kysely, id);
    await forceEvaluation(kysely, project.id);
  });
}

/** Throws NotFoundError. */
export async function getFlakeInput(
  db: Queries,
  project: Pick<Project, "id" | "name">,
  id: string,
): Promise<FlakeInput> {
  const row = await findFlakeInput(db, project.id, id);
  if (row !== undefined) return row;
  throw new NotFoundError(`project "${project.name}" overrides no flake input ${id}`);
}

function check(others: readonly FlakeInput[], override: InputOverride): void {
  const { input } = override;
  if (others.some(({ input_name: name }) => name === input)) {
    throw new ConflictError(`the project overrides input "${input}" already`, {
      code: "already_exists",
    });
  }
  checkInputOverrides([
    ...others.map(({ input_name: name, url }) => ({ input: name, url })),
    override,
  ]);
  checkLasting(override);
}

/** A store path is there as long as some cache has it, and a project stays. Throws BadRequestError. */
export function checkLasting(override: InputOverride): void {
  if (storePathOf(override) === null) return;
  throw new BadRequestError(
    `input "${override.input}" cannot be a store path for all evaluations of a project: name where it comes from`,
  );
}
