import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noProgress } from "./progress.ts";
import { baseOf, CollectionScene, DAY_MS } from "./scene.test-support.ts";

let scene: CollectionScene;
let cache: string;

beforeEach(async () => {
  scene = await CollectionScene.open();
  cache = await scene.addCache("main");
});
afterEach(() => scene[Symbol.asyncDispose]());

describe("what lies beside the paths", () => {
  const log = (name: string) => `log/${baseOf(`${name}.drv`)}`;
  const realisation = (name: string) => JSON.stringify({ outPath: baseOf(name) });
  const debugInfo = (hash: string) =>
    JSON.stringify({ archive: `../nar/${hash}.nar.xz`, member: "lib/debug" });

  beforeEach(async () => {
    for (const name of ["kept", "old"]) {
      const fetched = name === "kept" ? { fetchedMs: DAY_MS } : {};
      await scene.addPath(cache, name, { isBuilt: true, ...fetched });
      await scene.addNarFile(cache, name);
      await scene.addDocument(cache, log(name), "built");
      await scene.addDocument(cache, `realisations/${name}.doi`, realisation(name));
      await scene.addDocument(cache, `build-trace-v2/${name}/out.doi`, realisation(name));
      await scene.addDocument(
        cache,
        `debuginfo/${name}`,
        debugInfo(scene.narHash(`given ${name}`)),
      );
      await scene.addDocument(
        cache,
        `debuginfo/${name}.debug`,
        debugInfo(scene.narHash(`file ${name}`)),
      );
    }
  });

  test("stays as long as the cache has the path, and goes with it", async () => {
    const all = await scene.documents(cache);
    const dry = await scene.collect({ isDryRun: true });
    expect([dry.paths, dry.files]).toEqual([1, 0]);
    expect(await scene.documents(cache)).toEqual(all);
    const progress = await scene.collect();
    expect(await scene.documents(cache)).toEqual(
      [
        "build-trace-v2/kept/out.doi",
        "debuginfo/kept",
        "debuginfo/kept.debug",
        log("kept"),
        "realisations/kept.doi",
      ].toSorted(),
    );
    expect(progress).toMatchObject({ paths: 1, files: 6 });
    expect(progress.named).toContain(`${log("old")}: beside no path`);
    expect(await scene.collect()).toMatchObject({ paths: 0, files: 0 });
  });

  test("goes after the time to live where no path ever came, which a dry run tells; a path or file of another cache does not keep it", async () => {
    const other = await scene.addCache("other");
    await scene.addDocument(other, log("failed"), "no luck", 13 * DAY_MS);
    await scene.addDocument(other, log("kept"), "not here");
    await scene.addDocument(other, "debuginfo/kept", debugInfo(scene.narHash("given kept")));
    await scene.addDocument(other, "debuginfo/other", debugInfo(scene.narHash("file kept")));
    await scene.addDocument(other, "realisations/kept", realisation("kept"));
    await scene.addDocument(other, "realisations/damaged", "{");
    await scene.addPath(other, "failing.drv", { fetchedMs: DAY_MS });
    await scene.addDocument(other, log("failing"), "its derivation is here");
    expect(await scene.collect({ isDryRun: true })).toMatchObject({ files: 5 });
    expect(await scene.documents(other)).toHaveLength(7);
    await scene.collect();
    expect(await scene.documents(other)).toEqual([log("failed"), log("failing")].toSorted());
    await scene.clock.advance(2 * DAY_MS);
    await scene.collect();
    expect(await scene.documents(other)).toEqual([log("failing")]);
  });

  test("stays when it, or a path of it, comes while it is looked at", async () => {
    for (const name of ["shown", "again", "gone"]) {
      await scene.addDocument(cache, log(name), "old");
    }
    const release = scene.intake.removals.release.bind(scene.intake.removals);
    scene.intake.removals.release = async (hashes, remove) => {
      scene.intake.removals.release = release;
      await scene.addPath(cache, "shown", { isBuilt: true, ageMs: 0 });
      await scene.addDocument(cache, log("again"), "new", 0);
      return release(hashes, remove);
    };
    await scene.database.kysely
      .deleteFrom("cache_paths")
      .where("path", "=", baseOf("old"))
      .execute();
    await scene.collect();
    expect((await scene.documents(cache)).filter((name) => name.startsWith("log/"))).toEqual(
      [log("kept"), log("shown"), log("again")].toSorted(),
    );
  });

  test("makes room a day after it came, before paths do", async () => {
    const GB = 1024 ** 3;
    const small = await scene.addCache("small", 1);
    await scene.addPath(small, "a", { bytes: GB / 2, fetchedMs: 2 * DAY_MS, isBuilt: true });
    await scene.addDocument(small, log("a"), "of a path that is here");
    await scene.addDocument(small, log("failed"), "no luck", 2 * DAY_MS);
    await scene.addDocument(small, log("young"), "no luck", 1000);
    const { bytes } = await scene.database.kysely
      .selectFrom("cache_totals")
      .select("stored_bytes as bytes")
      .where("cache_id", "=", small)
      .executeTakeFirstOrThrow();
    const collection = scene.collection();
    const pass = { cache: small, signal: new AbortController().signal };
    collection.want(small, GB - bytes + 5);
    for (const isDryRun of [true, false]) {
      expect(await scene.documents(small)).toHaveLength(3);
      const progress = noProgress();
      await collection.run({ ...pass, isDryRun, progress });
      expect(progress).toMatchObject({ paths: 0, files: 1 });
    }
    expect(await scene.documents(small)).toEqual([log("a"), log("young")].toSorted());
    expect(await scene.shown(small)).toEqual(["a"]);
  });
});
