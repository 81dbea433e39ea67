import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dumpPath, encodeNix32 } from "@gradient/protocol";
import { compress } from "zstd-napi";
import type { NarStorage } from "../storage/nar-storage.ts";

/** Files by path: text, `{ link }` or `{ run }` for an executable. */
export type TestTree = Record<string, string | { link: string } | { run: string }>;

/** The NAR of a directory with these files. */
export async function narOfTree(tree: TestTree): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "nar-tree-"));
  try {
    for (const [path, content] of Object.entries(tree)) {
      const file = join(directory, path);
      await mkdir(dirname(file), { recursive: true });
      if (typeof content === "string") await writeFile(file, content);
      else if ("link" in content) await symlink(content.link, file);
      else {
        await writeFile(file, content.run);
        await chmod(file, 0o755);
      }
    }
    const pieces: Buffer[] = [];
    for await (const piece of dumpPath(directory)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Stores a NAR where the store looks for it. Resolves to its hash. */
export async function storeNar(nars: Pick<NarStorage, "store">, nar: Buffer): Promise<string> {
  const narHash = encodeNix32(createHash("sha256").update(nar).digest());
  await nars.store([{ narHash, bytes: compress(nar) }]);
  return narHash;
}
