import { expect, test } from "vitest";
import { listInputOverrides } from "../db/flake-input-repository.ts";
import { findProject } from "../db/project-repository.ts";
import { openScene, startFetched } from "../test-scene.test-support.ts";
import { addFlakeInput, removeFlakeInput } from "./flake-inputs.ts";

const nixpkgs = { input: "nixpkgs", url: "github:NixOS/nixpkgs/nixos-unstable" };

test("evaluations that begin afterwards have the project's inputs, and the next one needs no commit", async () => {
  await using scene = await openScene();
  const { farm, organization } = scene;
  const { database } = farm;
  const { name } = await database.kysely
    .selectFrom("projects")
    .select("name")
    .executeTakeFirstOrThrow();
  const project = async () => {
    const found = await findProject(database.kysely, organization.id, name);
    if (found === undefined) throw new Error("the project is gone");
    return found;
  };
  const { id } = await addFlakeInput(database, await project(), nixpkgs, 0);
  expect((await project()).force_evaluation).toBe(1);
  const able = await farm.addWorker(organization.id);
  await able.connect({ features: ["input-overrides"] });
  await startFetched(scene);
  expect((await project()).force_evaluation).toBe(0);
  expect((await able.takeOffer("eval")).spec).toMatchObject({ inputOverrides: [nixpkgs] });

  await removeFlakeInput(database, await project(), id);
  expect((await project()).force_evaluation).toBe(1);
  expect(await listInputOverrides(database.kysely, (await project()).id)).toEqual([]);
});
