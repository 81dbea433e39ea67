import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashPartOf, prepareCachedPathReads } from "../db/cache-path-repository.ts";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import { findProject } from "../db/project-repository.ts";
import { changeProject } from "../projects/change-project.ts";
import { makeDerivation, outputOf, type TestDerivation } from "../test-objects.test-support.ts";
import { evaluate, openScene, reportBuilt, type Scene } from "../test-scene.test-support.ts";
import { subscribe } from "./subscriptions.ts";

let scene: Scene;
let library: TestDerivation;
let program: TestDerivation;

beforeEach(async () => {
  scene = await openScene();
  library = makeDerivation("library");
  program = makeDerivation("program", { inputs: [library] });
  await scene.farm.database.kysely.updateTable("projects").set({ sign_cache: 0 }).execute();
});
afterEach(() => scene[Symbol.asyncDispose]());

async function build(derivation: TestDerivation, inputs: TestDerivation[] = []): Promise<void> {
  const { worker } = scene;
  await reportBuilt(worker, await worker.takeOffer("build"), derivation, inputs);
  expect(await worker.next("ack")).toMatchObject({ accepted: true });
}

/** Of base names: what clients of the cache are shown. */
function shown(bases: readonly string[], cache = scene.organization.cache): string[] {
  const surface = new CacheSurfaceView(scene.farm.database);
  return bases.filter((base) => surface.findPath(cache, hashPartOf(base)) !== undefined);
}

/** What workers of the organization may fetch. */
function held(bases: readonly string[]): string[] {
  const reads = prepareCachedPathReads(scene.farm.database);
  const { id } = scene.organization;
  return bases.filter((base) => reads.ofOrganization(id, hashPartOf(base)) !== null);
}

const base = (path: string) => path.slice("/nix/store/".length);

function everything(): string[] {
  return [library, program].flatMap((each) => [base(outputOf(each)), base(each.path)]);
}

async function sources(): Promise<string[]> {
  const { kysely } = scene.farm.database;
  const rows = await kysely.selectFrom("evaluations").select("source_path").execute();
  return rows.flatMap(({ source_path: path }) => path ?? []);
}

describe("what is made for a project that leaves its paths unsigned", () => {
  beforeEach(async () => {
    await evaluate(scene, [program], [library]);
    await build(library);
    await build(program, [library]);
  });

  test("is held for workers, and no client is shown it", async () => {
    const all = [...everything(), ...(await sources())];
    expect(all).toHaveLength(5);
    expect(held(all)).toEqual(all);
    expect(shown(all)).toEqual([]);
    const object = await scene.farm.database.kysely
      .selectFrom("cache_paths as p")
      .innerJoin("nar_objects as n", "n.nar_hash", "p.nar_hash")
      .select(["n.file_hash", "n.nar_hash"])
      .where("p.path", "=", base(outputOf(program)))
      .executeTakeFirstOrThrow();
    const surface = new CacheSurfaceView(scene.farm.database);
    const { cache } = scene.organization;
    expect(surface.findNar(cache, object.file_hash)).toBeUndefined();
    expect(surface.findNarByHash(cache, object.nar_hash)).toBeUndefined();
  });

  test("is shown when another project has it, too", async () => {
    const other = await scene.farm.addProject(scene.organization.id);
    await evaluate(scene, [program], [library], other);
    expect(shown(everything())).toEqual(everything());
  });

  test("is shown with what refers to it", async () => {
    const other = await scene.farm.addProject(scene.organization.id);
    const tool = makeDerivation("tool", { inputs: [library] });
    await evaluate(scene, [tool], [], other);
    await build(tool, [library]);
    expect(shown([outputOf(tool), outputOf(library), outputOf(program)].map(base))).toEqual(
      [outputOf(tool), outputOf(library)].map(base),
    );
  });

  test("is shown when the project is to be signed", async () => {
    const { database } = scene.farm;
    const row = await database.kysely
      .selectFrom("projects")
      .selectAll()
      .where("id", "=", scene.organization.project)
      .executeTakeFirstOrThrow();
    const project = await findProject(database.kysely, row.organization_id, row.name);
    if (project === undefined) throw new Error("the project is gone");
    const settings = {
      name: project.name,
      displayName: "Tools",
      description: project.description,
      repository: project.repository,
      wildcard: project.wildcard,
      keptEvaluations: project.keep_evaluations,
      concurrency: project.concurrency,
      signsCache: true,
    };
    await changeProject(database, project, settings, 30);
    const all = [...everything(), ...(await sources())];
    expect(shown(all)).toEqual(all);
  });

  test("is hidden in a cache that is subscribed later as well", async () => {
    const { farm, organization } = scene;
    const cache = await farm.addCache(organization.id);
    const { kysely } = farm.database;
    await kysely.deleteFrom("cache_subscriptions").where("cache_id", "=", cache).execute();
    const parties = {
      organization: { id: organization.id, name: "o" },
      cache: { id: cache, name: "c" },
    };
    const parts = { database: farm.database, evaluations: farm.farm.evaluations };
    await subscribe(parts, parties, "ReadWrite", 0);
    await expect
      .poll(() => kysely.selectFrom("cache_backfills").selectAll().execute(), { interval: 5 })
      .toEqual([]);
    const rows = await kysely
      .selectFrom("cache_paths")
      .select(["path", "is_hidden"])
      .where("cache_id", "=", cache)
      .where("path", "in", everything())
      .execute();
    expect(rows.map(({ is_hidden: isHidden }) => isHidden)).toEqual([1, 1, 1, 1]);
    expect(shown(everything(), cache)).toEqual([]);
  });
});
