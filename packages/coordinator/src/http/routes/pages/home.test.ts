import { expect, test } from "vitest";
import { addSceneProject, SCENE_TIME } from "../../../db/cuirass-scene.test-support.ts";
import { insertTrigger } from "../../../db/trigger-repository.ts";
import { openTestServer } from "../../server.test-support.ts";

test("a project that was not evaluated tells what is wrong with its repository", async () => {
  await using server = await openTestServer();
  const { kysely } = server.services.database;
  const of = { organization: "acme", project: "lost", isPublic: true };
  const { projectId } = await addSceneProject(kysely, of);
  await insertTrigger(kysely, {
    id: "trigger",
    project_id: projectId,
    type: "polling",
    config_json: "{}",
    active: 1,
    created_at: SCENE_TIME,
    updated_at: SCENE_TIME,
    checked_at: SCENE_TIME,
    error: "no such host",
  });
  const { text } = await server.get("/");
  expect(text).toMatch(/acme\.lost[^]*not evaluated yet<div[^>]*>no such host</);
});
