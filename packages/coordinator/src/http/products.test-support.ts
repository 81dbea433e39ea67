import { insertCachedPaths } from "../db/cache-path-repository.ts";
import { insertNarObjects } from "../db/nar-object-repository.ts";
import { NarInspection } from "../intake/nar-inspection.ts";
import { narOfTree, storeNar, type TestTree } from "../nar-contents/nar-tree.test-support.ts";
import type { TestServer } from "./server.test-support.ts";

/** Stores a tree as a cache's store path, as if a worker had uploaded it. `base`: base name. */
export async function showTree(
  { services: { database }, nars }: Pick<TestServer, "services" | "nars">,
  cacheId: string,
  base: string,
  tree: TestTree,
): Promise<void> {
  const nar = await narOfTree(tree);
  const inspection = new NarInspection(nar.length);
  inspection.write(nar);
  const object = { ...inspection.finish(), fileHash: "0".repeat(52), fileSize: nar.length };
  await storeNar(nars, nar);
  await insertNarObjects(database.kysely, [object], 0);
  const facts = { references: [], deriver: null, ca: null, signatures: [] };
  await insertCachedPaths(
    database.kysely,
    cacheId,
    [{ path: base, narHash: object.narHash, ...facts }],
    0,
  );
}
