import fc from "fast-check";
import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noProgress } from "./progress.ts";
import { CollectionScene, DAY_MS } from "./scene.test-support.ts";

let scene: CollectionScene;
let cache: string;

beforeEach(async () => {
  scene = await CollectionScene.open();
  cache = await scene.addCache("main");
});
afterEach(() => scene[Symbol.asyncDispose]());

describe("a path that is old and that nobody fetches", () => {
  test("goes, with its file", async () => {
    await scene.addPath(cache, "old");
    const progress = await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
    expect(await scene.hasFile("old")).toBe(false);
    expect(progress).toMatchObject({ paths: 1, pathBytes: 10, files: 1, fileBytes: 10 });
  });

  test("keeps its file as long as another cache shows it", async () => {
    const other = await scene.addCache("other");
    await scene.addPath(cache, "old");
    await scene.addPath(other, "old", { fetchedMs: DAY_MS });
    await scene.collect();
    expect([await scene.shown(cache), await scene.shown(other)]).toEqual([[], ["old"]]);
    expect(await scene.hasFile("old")).toBe(true);
  });

  test("goes with its file, too, when somebody has put it into the cache", async () => {
    await scene.addPath(cache, "copied");
    await scene.addNarFile(cache, "copied");
    await scene.addPath(cache, "again");
    await scene.addNarFile(cache, "again", { ageMs: 1000 });
    expect(await scene.collect()).toMatchObject({ paths: 2, files: 1 });
    expect(await scene.hasFile("copied")).toBe(false);
    expect(await scene.hasFile("again")).toBe(true);
  });

  test("goes together with all that only it refers to", async () => {
    await scene.addPath(cache, "library");
    await scene.addPath(cache, "shared");
    await scene.addPath(cache, "program", { references: ["library", "shared", "program"] });
    await scene.addPath(cache, "fetched", { references: ["shared"], fetchedMs: DAY_MS });
    await scene.collect();
    expect(await scene.shown(cache)).toEqual(["fetched", "shared"]);
  });

  test("is only listed by a dry run", async () => {
    await scene.addPath(cache, "library");
    await scene.addPath(cache, "program", { references: ["library"] });
    await scene.addPath(cache, "fetched", { fetchedMs: DAY_MS });
    const progress = await scene.collect({ isDryRun: true });
    expect(progress).toMatchObject({ paths: 2, pathBytes: 20, files: 0 });
    expect(progress.named.map((path) => path.slice(33)).toSorted()).toEqual(["library", "program"]);
    expect(await scene.shown(cache)).toHaveLength(3);
  });
});

describe("what stays, with all that it refers to", () => {
  beforeEach(async () => {
    await scene.addPath(cache, "library");
    await scene.addPath(cache, "program", { references: ["library"] });
  });

  test.each(["Completed", "Failed", "Building"])(
    "is what an evaluation that is %s and kept needs",
    async (state) => {
      await scene.addPath(cache, "source");
      await scene.addPath(cache, "program.drv", { references: ["source"] });
      await scene.addPath(cache, "tree");
      await scene.addEvaluation(["program"], { state, source: "tree" });
      await scene.collect();
      expect(await scene.shown(cache)).toEqual([
        "library",
        "program",
        "program.drv",
        "source",
        "tree",
      ]);
    },
  );

  test("is not what only an evaluation needs that its project keeps no longer", async () => {
    await scene.addEvaluation(["program"]);
    await scene.addEvaluation([]);
    await scene.collect();
    expect(await scene.shown(cache)).toHaveLength(2);
    await scene.addEvaluation([]);
    await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
  });

  test("is what an evaluation needs that goes on, however many came after it", async () => {
    await scene.addEvaluation(["program"], { state: "Building" });
    for (let n = 0; n < 5; n += 1) await scene.addEvaluation([]);
    await scene.collect();
    expect(await scene.shown(cache)).toHaveLength(2);
  });

  test("is what a pinned evaluation needs", async () => {
    const evaluation = await scene.addEvaluation(["program"]);
    for (let n = 0; n < 5; n += 1) await scene.addEvaluation([]);
    await scene.pin(cache, { evaluation });
    await scene.collect();
    expect(await scene.shown(cache)).toHaveLength(2);
  });

  test("is a pinned path, until its time has come", async () => {
    await scene.pin(cache, { path: "program", untilMs: DAY_MS });
    await scene.collect();
    expect(await scene.shown(cache)).toHaveLength(2);
    await scene.clock.advance(DAY_MS);
    await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
  });

  test("is what somebody was promised", async () => {
    scene.promise("program");
    await scene.collect();
    expect(await scene.shown(cache)).toHaveLength(2);
    await scene.clock.advance(2 * DAY_MS);
    await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
  });

  test("is what came less than the time to live ago, fetched or not", async () => {
    await scene.addPath(cache, "recent", { references: ["program"], ageMs: 13 * DAY_MS });
    await scene.collect();
    expect(await scene.shown(cache)).toHaveLength(3);
    await scene.clock.advance(2 * DAY_MS);
    await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
  });
});

describe("files", () => {
  test("without an object go", async () => {
    const hash = scene.narHash("stray");
    await scene.files.store([{ narHash: hash, bytes: Buffer.from("x") }]);
    await writeFile(`${scene.dataDir}/nar/README`, "not ours");
    const dry = await scene.collect({ isDryRun: true });
    expect(dry).toMatchObject({ files: 1, named: [`sha256:${hash}: a file that nothing knows`] });
    expect(await scene.hasFile("stray")).toBe(true);
    expect((await scene.collect()).files).toBe(1);
    expect(await scene.hasFile("stray")).toBe(false);
  });

  test("that a cache was given and shows no more go after a day, which a dry run tells", async () => {
    for (const name of ["left", "shown elsewhere", "young"]) {
      await scene.addPath(cache, name);
      await scene.addNarFile(cache, name, { ageMs: name === "young" ? 1000 : 100 * DAY_MS });
    }
    await scene.database.kysely.deleteFrom("cache_paths").where("cache_id", "=", cache).execute();
    const other = await scene.addCache("other");
    await scene.addPath(other, "shown elsewhere", { fetchedMs: DAY_MS });
    const dry = await scene.collect({ isDryRun: true });
    expect(dry).toMatchObject({ paths: 0, files: 1, fileBytes: 10 });
    expect(dry.named).toEqual([`sha256:${scene.narHash("left")}: a file that no cache shows`]);
    expect(await scene.hasFile("left")).toBe(true);
    expect(await scene.collect()).toMatchObject({ paths: 0, files: 1, fileBytes: 10 });
    const files = ["left", "shown elsewhere", "young"].map((name) => scene.hasFile(name));
    expect(await Promise.all(files)).toEqual([false, true, true]);
  });

  test("whose cache was deleted go after a day", async () => {
    await scene.addPath(cache, "old");
    await scene.addPath(cache, "young", { ageMs: 1000 });
    await scene.database.kysely.deleteFrom("caches").execute();
    await scene.collect();
    expect([await scene.hasFile("old"), await scene.hasFile("young")]).toEqual([false, true]);
    await scene.clock.advance(DAY_MS);
    await scene.collect();
    expect(await scene.hasFile("young")).toBe(false);
  });

  test("that an organization has just uploaded stay for the result that names them", async () => {
    await scene.addPath(cache, "old");
    await scene.database.kysely
      .insertInto("nar_possessions")
      .values({
        organization_id: scene.organization,
        nar_hash: scene.narHash("old"),
        created_at: scene.clock.now(),
      })
      .execute();
    await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
    expect(await scene.hasFile("old")).toBe(true);
  });
});

describe("room", () => {
  const QUARTER = 256 * 1024 ** 2;

  test("is made in a full cache by what was used least recently", async () => {
    const small = await scene.addCache("small", 1);
    await scene.addPath(small, "library", { ageMs: 9 * DAY_MS, bytes: QUARTER });
    await scene.addPath(small, "a", {
      ageMs: 8 * DAY_MS,
      bytes: QUARTER,
      references: ["library"],
      fetchedMs: DAY_MS,
    });
    await scene.addPath(small, "b", { ageMs: 7 * DAY_MS, bytes: QUARTER });
    await scene.addPath(small, "c", { ageMs: 6 * DAY_MS, bytes: QUARTER });
    const dry = await scene.collect({ isDryRun: true });
    expect(dry.pathBytes).toBeGreaterThanOrEqual(QUARTER);
    await scene.collect();
    expect(await scene.shown(small)).toEqual(["a", "c", "library"]);
  });

  test("is made for a file that did not fit, however little the cache is filled", async () => {
    const small = await scene.addCache("small", 1);
    await scene.addPath(small, "a", { ageMs: 9 * DAY_MS, bytes: QUARTER, fetchedMs: 3 * DAY_MS });
    await scene.addPath(small, "b", { ageMs: 8 * DAY_MS, bytes: QUARTER, fetchedMs: 2 * DAY_MS });
    const collection = scene.collection();
    const run = { cache: small, progress: noProgress(), signal: new AbortController().signal };
    await collection.run({ ...run, isDryRun: false });
    expect(await scene.shown(small)).toEqual(["a", "b"]);
    collection.want(small, 3 * QUARTER);
    await collection.run({ ...run, isDryRun: true });
    await collection.run({ ...run, isDryRun: false });
    expect(await scene.shown(small)).toEqual(["b"]);
    await collection.run({ ...run, isDryRun: false });
    expect(await scene.shown(small)).toEqual(["b"]);
  });

  test("is there, for a dry run as well, once what nothing needs has gone", async () => {
    const small = await scene.addCache("small", 1);
    await scene.addPath(small, "old", { bytes: 2 * QUARTER });
    await scene.addPath(small, "fetched", { bytes: 1.9 * QUARTER, fetchedMs: DAY_MS });
    const dry = await scene.collect({ isDryRun: true });
    expect(await scene.collect()).toMatchObject({ paths: 1 });
    expect(dry).toMatchObject({ paths: 1 });
  });

  test("is not made by what is pinned, young, or needed by the newest evaluation", async () => {
    const small = await scene.addCache("small", 1);
    await scene.addPath(small, "pinned", { bytes: QUARTER });
    await scene.addPath(small, "newest", { bytes: QUARTER });
    await scene.addPath(small, "earlier", { bytes: QUARTER });
    await scene.addPath(small, "young", { bytes: QUARTER, ageMs: 1000 });
    await scene.pin(small, { path: "pinned" });
    await scene.addEvaluation(["earlier"]);
    await scene.addEvaluation(["newest"]);
    await scene.collect();
    expect(await scene.shown(small)).toEqual(["newest", "pinned", "young"]);
    await scene.addPath(small, "more", { bytes: QUARTER, ageMs: 1000 });
    await scene.collect();
    expect(await scene.shown(small)).toHaveLength(4);
  });

  test("is made on the disk, whichever cache it was used for", async () => {
    const other = await scene.addCache("other");
    await scene.addPath(other, "a", { ageMs: 9 * DAY_MS, bytes: 300 });
    await scene.addPath(cache, "b", { ageMs: 8 * DAY_MS, bytes: 300, fetchedMs: DAY_MS });
    await scene.addPath(cache, "c", { ageMs: 7 * DAY_MS, bytes: 300 });
    await scene.addPath(other, "d", { ageMs: 6 * DAY_MS, bytes: 300 });
    await scene.collect({ maxStorageBytes: 700 });
    expect([await scene.shown(cache), await scene.shown(other)]).toEqual([["b"], ["d"]]);
  });
});

describe("a pass", () => {
  test("that was stopped leaves every path with what it needs, and the next one ends it", async () => {
    for (let n = 0; n < 300; n += 1) {
      await scene.addPath(cache, `p${n}`, { references: n === 0 ? [] : [`p${n - 1}`] });
    }
    const stop = new AbortController();
    let looks = 0;
    const broken = async (): Promise<void> => {
      const shown = await scene.shown(cache);
      // A chain: what is shown is its beginning.
      expect(shown).toEqual(Array.from(shown, (_, n) => `p${n}`).toSorted());
      looks += 1;
      if (looks === 3) stop.abort();
    };
    const release = scene.intake.removals.release.bind(scene.intake.removals);
    scene.intake.removals.release = async (hashes, remove) => {
      const released = await release(hashes, remove);
      await broken();
      return released;
    };
    await expect(scene.collect({ signal: stop.signal })).rejects.toThrow("aborted");
    const left = await scene.shown(cache);
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(300);
    await scene.collect();
    expect(await scene.shown(cache)).toEqual([]);
  });

  test("looks at each path once, however many refer to it", async () => {
    for (let n = 0; n < 60; n += 1) {
      const references = [1, 2, 3].filter((back) => back <= n).map((back) => `p${n - back}`);
      await scene.addPath(cache, `p${n}`, { references });
    }
    const release = scene.intake.removals.release.bind(scene.intake.removals);
    let looks = 0;
    scene.intake.removals.release = (hashes, remove) => {
      looks += hashes.length;
      return release(hashes, remove);
    };
    expect(await scene.collect()).toMatchObject({ paths: 60 });
    expect(looks).toBe(60);
  });

  test("sees what came to need a path since it began", async () => {
    const names = ["referred", "pinned", "linked", "fetched", "gone"];
    for (const name of names) await scene.addPath(cache, name);
    const release = scene.intake.removals.release.bind(scene.intake.removals);
    let isDone = false;
    scene.intake.removals.release = async (hashes, remove) => {
      if (!isDone) {
        isDone = true;
        await scene.addPath(cache, "new", { references: ["referred"], ageMs: 0 });
        await scene.pin(cache, { path: "pinned" });
        await scene.addEvaluation(["linked"], { state: "Building" });
        await scene.database.kysely
          .updateTable("cache_paths")
          .set({ last_fetched_at: scene.clock.now() })
          .where("path", "like", "%-fetched")
          .execute();
      }
      return release(hashes, remove);
    };
    await scene.collect();
    expect(await scene.shown(cache)).toEqual(["fetched", "linked", "new", "pinned", "referred"]);
  });

  test("loses no NAR that is stored again while its last path goes", async () => {
    await scene.addPath(cache, "again");
    const object = {
      narHash: scene.narHash("again"),
      narSize: 1,
      fileHash: scene.narHash("file again"),
      fileSize: 5,
      foundHashes: null,
      buildProducts: [],
    };
    const release = scene.intake.removals.release.bind(scene.intake.removals);
    const adding: Promise<void>[] = [];
    scene.intake.removals.release = (hashes, remove) => {
      const released = release(hashes, remove);
      adding.push(scene.intake.add([{ object, bytes: Buffer.from("again") }]));
      return released;
    };
    await scene.collect();
    await Promise.all(adding);
    expect(await scene.shown(cache)).toEqual([]);
    const row = await scene.database.kysely
      .selectFrom("nar_objects")
      .select("nar_hash")
      .where("nar_hash", "=", object.narHash)
      .executeTakeFirst();
    expect([row !== undefined, await scene.hasFile("again")]).toEqual([true, true]);
  });
});

test("whatever refers to whatever: what is kept has all it needs, and the rest goes", async () => {
  const path = fc.record({
    references: fc.array(fc.nat(39), { maxLength: 4 }),
    isFetched: fc.boolean(),
    isPinned: fc.boolean(),
    isYoung: fc.boolean(),
    order: fc.nat(1000),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(path, { minLength: 1, maxLength: 40 }), async (paths) => {
      run += 1;
      const own = await scene.addCache(`property-${run}`);
      const nameOf = (n: number): string => `r${run}p${n}`;
      // Only earlier ones, as in a store; they need not have come in that order.
      const references = paths.map((each, n) => each.references.filter((other) => other < n));
      const rare = (n: number): boolean => n % 7 === 0;
      const order = paths.map((each, n) => ({ n, at: each.order })).toSorted((a, b) => a.at - b.at);
      for (const { n } of order) {
        const { isFetched, isYoung } = paths[n] ?? { isFetched: false, isYoung: false };
        await scene.addPath(own, nameOf(n), {
          references: references[n]?.map(nameOf) ?? [],
          ageMs: isYoung && rare(n) ? DAY_MS : 100 * DAY_MS,
          ...(isFetched && rare(n + 1) ? { fetchedMs: DAY_MS } : {}),
        });
        if (paths[n]?.isPinned === true && rare(n + 2)) {
          await scene.pin(own, { path: nameOf(n) });
        }
      }
      const kept = new Set<number>();
      const keep = (n: number): void => {
        if (kept.has(n)) return;
        kept.add(n);
        references[n]?.forEach(keep);
      };
      for (const [n, { isFetched, isPinned, isYoung }] of paths.entries()) {
        const isKept =
          (isYoung && rare(n)) || (isFetched && rare(n + 1)) || (isPinned && rare(n + 2));
        if (isKept) keep(n);
      }
      await scene.collect();
      expect(await scene.shown(own)).toEqual([...kept].map(nameOf).toSorted());
      for (const n of paths.keys()) expect(await scene.hasFile(nameOf(n))).toBe(kept.has(n));
      // The next pass finds nothing.
      expect(await scene.collect()).toMatchObject({ paths: 0, files: 0 });
    }),
    { numRuns: 25 },
  );
}, 60_000);
