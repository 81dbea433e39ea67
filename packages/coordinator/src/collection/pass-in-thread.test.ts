import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { passesInThreads, type PassSurroundings } from "./pass-in-thread.ts";
import { baseOf, CollectionScene } from "./scene.test-support.ts";

let scene: CollectionScene;
let cache: string;

beforeEach(async () => {
  scene = await CollectionScene.open();
  cache = await scene.addCache("main");
  useThread();
});
afterEach(() => scene[Symbol.asyncDispose]());

function useThread(surroundings: Partial<PassSurroundings> = {}): void {
  scene.makePass = passesInThreads({
    database: scene.database,
    removals: scene.intake.removals,
    isPromised: (path) => scene.promised.has(path),
    ...surroundings,
  });
}

/** A chain, the newest of which is promised to nobody and needed by nothing. */
async function addChain(length: number): Promise<void> {
  for (let n = 0; n < length; n += 1) {
    await scene.addPath(cache, `p${n}`, { references: n === 0 ? [] : [`p${n - 1}`] });
  }
}

test("what nothing keeps goes, with its files; what is fetched or promised stays", async () => {
  await addChain(40);
  await scene.addPath(cache, "fetched", { references: ["p3"], fetchedMs: 1000 });
  scene.promise("p5");
  await scene.addDocument(cache, "log/p6.drv", "of what is not here");
  await scene.addDocument(cache, "realisations/p5", JSON.stringify({ outPath: baseOf("p5") }));
  const progress = await scene.collect();
  expect(await scene.documents(cache)).toEqual(["realisations/p5"]);
  expect(await scene.shown(cache)).toEqual(["fetched", "p0", "p1", "p2", "p3", "p4", "p5"]);
  expect([await scene.hasFile("p5"), await scene.hasFile("p6")]).toEqual([true, false]);
  expect(progress).toMatchObject({ paths: 34, pathBytes: 340, files: 35 });
  expect(progress.named).toHaveLength(35);
});

test("a dry run takes nothing away and leaves out what is promised", async () => {
  await addChain(10);
  scene.promise("p9");
  expect(await scene.collect({ isDryRun: true })).toMatchObject({ paths: 9, files: 0 });
  expect(await scene.shown(cache)).toHaveLength(10);
});

test("while it writes nobody else here does, and everybody reads", async () => {
  await addChain(3);
  const { removals } = scene.intake;
  const order: string[] = [];
  const writing: Promise<unknown>[] = [];
  useThread({
    removals: {
      releaseElsewhere: (narHashes, thread) => {
        const remove = async () => {
          const write = scene.database.transaction(async () => void order.push("we write"));
          writing.push(write);
          expect(scene.database.prepare("select count(*) as n from cache_paths").get()).toEqual({
            n: 3,
          });
          const gone = await thread.remove();
          order.push("the thread has written");
          return gone;
        };
        return removals.releaseElsewhere(narHashes, { ...thread, remove });
      },
    },
  });
  await scene.collect();
  await Promise.all(writing);
  expect(order).toEqual(["the thread has written", "we write"]);
});

test("a pass that is stopped leaves every path with what it needs", async () => {
  await addChain(300);
  const stop = new AbortController();
  const { removals } = scene.intake;
  let releases = 0;
  useThread({
    removals: {
      releaseElsewhere: (narHashes, thread) => {
        releases += 1;
        if (releases === 3) stop.abort(new Error("enough"));
        return removals.releaseElsewhere(narHashes, thread);
      },
    },
  });
  await expect(scene.collect({ signal: stop.signal })).rejects.toThrow("enough");
  const shown = await scene.shown(cache);
  expect(shown.length).toBeGreaterThan(0);
  expect(shown.length).toBeLessThan(300);
  expect(shown).toEqual(Array.from(shown, (_, n) => `p${n}`).toSorted());
  await scene.collect();
  expect(await scene.shown(cache)).toEqual([]);
});

test("what goes wrong on either side ends the pass, and everybody writes again", async () => {
  await addChain(3);
  useThread({
    removals: { releaseElsewhere: () => Promise.reject(new Error("the disk is gone")) },
  });
  await expect(scene.collect()).rejects.toThrow("the disk is gone");
  useThread({ database: { file: `${scene.dataDir}/nowhere/farm.sqlite` } });
  await expect(scene.collect()).rejects.toThrow("directory does not exist");
  useThread({
    removals: {
      releaseElsewhere: (narHashes, thread) => {
        const remove = async () => {
          for (const each of threads) await each.terminate();
          return thread.remove();
        };
        return scene.intake.removals.releaseElsewhere(narHashes, { ...thread, remove });
      },
    },
  });
  const threads: Worker[] = [];
  process.once("worker", (thread: Worker) => threads.push(thread));
  await expect(scene.collect()).rejects.toThrow("ended in its midst");
  await scene.addPath(cache, "more");
  expect(await scene.shown(cache)).toHaveLength(4);
});
