import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ORGANIZATION, OTHER_ORGANIZATION, TestCheckout } from "../../testing/git-checkout.ts";
import { GitServer, TestRepository } from "../../testing/git-server.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { Clones, directorySize } from "./clones.ts";

async function serve(directory: string): Promise<GitServer> {
  await mkdir(join(directory, "served"), { recursive: true });
  const server = await GitServer.start(join(directory, "served"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

describe("bare clones", () => {
  test("go when they take too much room, the one that was not used for the longest time first", async () => {
    const directory = await temporaryDirectory();
    const server = await serve(directory);
    for (const name of ["a", "b", "c"]) {
      const repository = new TestRepository(join(directory, "served", name));
      await repository.init();
      await repository.commit({ file: randomBytes(1_000_000) }, "First");
    }
    const limits = { allBytes: 2_500_000, oneBytes: 1e9 };
    const checkout = new TestCheckout(directory, { limits });
    await checkout.of(`${server.url}/a`);
    const [a] = await readdir(checkout.clones);
    await checkout.of(`${server.url}/b`);
    expect(await readdir(checkout.clones)).toHaveLength(2);
    await checkout.of(`${server.url}/a`);
    await checkout.of(`${server.url}/c`);
    const left = await readdir(checkout.clones);
    expect(left).toHaveLength(2);
    expect(left).toContain(a);
    // Gone is not lost.
    await checkout.of(`${server.url}/b`);
  });

  test("that are in use stay, however large", async () => {
    const clones = new Clones(join(await temporaryDirectory(), "clones"), 0);
    const { signal } = new AbortController();
    const key = (repository: string) => ({ organization: ORGANIZATION, repository });
    await clones.use(key("a"), signal, async (a) => {
      await mkdir(join(a, "inner"));
      await clones.use(key("b"), signal, async () => undefined);
      expect(await readdir(a)).toEqual(["inner"]);
    });
  });

  test("that another fetch holds are waited for until the fetch is cancelled", async () => {
    const clones = new Clones(join(await temporaryDirectory(), "clones"), 1e9);
    const key = { organization: ORGANIZATION, repository: "a" };
    const { signal } = new AbortController();
    await clones.use(key, signal, async () => {
      const waiting = new AbortController();
      const second = clones.use(key, waiting.signal, async () => "used");
      waiting.abort(new Error("cancelled"));
      await expect(second).rejects.toThrow("cancelled");
    });
    expect(await clones.use(key, signal, async () => "used")).toBe("used");
  });

  test("are each organization's own: what one has fetched is not given to another that may not read it", async () => {
    const directory = await temporaryDirectory();
    const served = join(directory, "served");
    const repository = new TestRepository(join(served, "private"));
    await repository.init();
    const commit = await repository.commit({ file: "secret" }, "First");
    const server = await serve(directory);
    const address = `${server.url}/private`;
    const checkout = new TestCheckout(directory);
    await checkout.of(address, { commit });
    await rename(repository.directory, join(served, "gone"));
    const error = await checkout.failure(address, { commit }, OTHER_ORGANIZATION);
    expect(error.code).toBe("no-such-repository");
    expect((await checkout.of(address, { commit })).commit.hash).toBe(commit);
  });

  test("have no history where the server gives a commit without it", async () => {
    const directory = await temporaryDirectory();
    const server = await serve(directory);
    const repository = new TestRepository(join(directory, "served", "deep"));
    await repository.init();
    for (let count = 0; count < 4; count += 1) {
      await repository.commit({ file: randomBytes(400_000) }, `Commit ${count}`);
    }
    const commit = await repository.commit({ other: "x" }, "Last");
    for (const change of [{}, { commit }]) {
      const checkout = new TestCheckout(await temporaryDirectory());
      await checkout.of(`${server.url}/deep`, change);
      // Of 1.6 MB of history, what the last commit holds.
      expect(await directorySize(checkout.clones)).toBeLessThan(700_000);
    }
  });
});
