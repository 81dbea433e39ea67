import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { GatheredWrites } from "./gathered-writes.ts";

/** Keeps what is written, copied when the write is done: a block that somebody else had meanwhile would show. */
class SlowDraft {
  readonly #hash = createHash("sha256");

  async write(bytes: Uint8Array): Promise<void> {
    await nextTurn();
    await nextTurn();
    this.#hash.update(bytes);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}

async function upload(seed: number, bytes: number): Promise<{ wrote: string; expected: string }> {
  const draft = new SlowDraft();
  const writes = new GatheredWrites(draft);
  const expected = createHash("sha256");
  for (let at = 0; at < bytes; at += 50_000) {
    const piece = Buffer.alloc(Math.min(50_000, bytes - at), (seed + at / 50_000) % 251);
    expected.update(piece);
    await writes.write(piece);
  }
  await writes.flush();
  return { wrote: draft.digest(), expected: expected.digest("hex") };
}

test("uploads at the same time and one after the other do not see each other's blocks", async () => {
  for (let round = 0; round < 3; round += 1) {
    const sizes = [10, 600_000, 512 * 1024, 3_000_000, 0, 50_000];
    const uploads = await Promise.all(sizes.map((size, n) => upload(round * 10 + n, size)));
    for (const { wrote, expected } of uploads) expect(wrote).toBe(expected);
  }
});

test("it can be written to again after a flush", async () => {
  const written: string[] = [];
  const writes = new GatheredWrites({
    write: (bytes) => {
      written.push(Buffer.from(bytes).toString("utf8"));
      return Promise.resolve();
    },
  });
  await writes.write(Buffer.from("one"));
  await writes.flush();
  await writes.write(Buffer.from("two"));
  await writes.flush();
  expect(written).toEqual(["one", "two"]);
});
