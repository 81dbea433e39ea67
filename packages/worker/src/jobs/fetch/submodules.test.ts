import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WorkerError } from "../../errors.ts";
import { TestCheckout } from "../../testing/git-checkout.ts";
import { GitServer, TestRepository } from "../../testing/git-server.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";

async function setUp(names: readonly string[]) {
  const directory = await temporaryDirectory();
  const served = join(directory, "served");
  const repositories = names.map((name) => new TestRepository(join(served, name)));
  for (const repository of repositories) await repository.init();
  const server = await GitServer.start(served);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { directory, server, repositories, checkout: new TestCheckout(directory) };
}

/** Commits a submodule without cloning it. */
async function addSubmodule(
  parent: TestRepository,
  { path, url, commit }: { path: string; url: string; commit: string },
): Promise<string> {
  await parent.git("config", "-f", ".gitmodules", `submodule.${path}.path`, path);
  await parent.git("config", "-f", ".gitmodules", `submodule.${path}.url`, url);
  await parent.git("add", ".gitmodules");
  await parent.git("update-index", "--add", "--cacheinfo", `160000,${commit},${path}`);
  await parent.git("commit", "--quiet", "-m", `submodule ${path}`);
  return (await parent.git("rev-parse", "HEAD")).trim();
}

/** A tree as bytes: git itself makes none that has a name twice. */
async function writeRawTree(
  repository: TestRepository,
  entries: readonly { mode: string; name: string; hash: string }[],
): Promise<string> {
  const parts = entries.flatMap(({ mode, name, hash }) => [
    Buffer.from(`${mode} ${name}\0`),
    Buffer.from(hash, "hex"),
  ]);
  const file = join(repository.directory, ".git", "raw-tree");
  await writeFile(file, Buffer.concat(parts));
  return (await repository.git("hash-object", "-t", "tree", "-w", "--literally", file)).trim();
}

const text = (...parts: string[]) => readFile(join(...parts), "utf8");

describe("submodules", () => {
  test("are in the tree, also inner ones, each at exactly its commit, by relative and whole addresses", async () => {
    const { server, repositories, checkout } = await setUp(["top", "middle", "low"]);
    const [top, middle, low] = repositories as [TestRepository, TestRepository, TestRepository];
    const first = await low.commit({ file: "low 1" }, "First");
    await low.commit({ file: "low 2" }, "Second");
    await middle.commit({ file: "middle" }, "First");
    const inner = await addSubmodule(middle, { path: "deps/low", url: "../low", commit: first });
    await top.commit({ file: "top" }, "First");
    const url = `${server.url}/middle`;
    await addSubmodule(top, { path: "middle", url, commit: inner });
    const { tree } = await checkout.of(`${server.url}/top`);
    expect(await text(tree, "file")).toBe("top");
    expect(await text(tree, "middle", "file")).toBe("middle");
    expect(await text(tree, "middle", "deps", "low", "file")).toBe("low 1");
    const names = await readdir(tree, { recursive: true });
    expect(names.filter((name) => /(^|\/)\.git$|index/.test(name))).toEqual([]);
    expect(await readdir(checkout.clones)).toHaveLength(3);
  });

  test("are fetched by the rules for every address, and the failure names the one at fault", async () => {
    const { server, repositories, checkout } = await setUp(["top"]);
    const [top] = repositories as [TestRepository];
    const commit = await top.commit({ file: "top" }, "First");
    for (const [url, fault] of [
      [`file://${top.directory}`, "has not allowed that directory"],
      ["ext::sh -c true", "white space"],
      ["git@-oProxyCommand=true:x", "its host is no host"],
      ["../../../x", "leads above"],
    ] as const) {
      await addSubmodule(top, { path: "inner", url, commit });
      const error = await checkout.failure(`${server.url}/top`);
      expect(error.isTransient).toBe(false);
      expect(error.message).toMatch(/^submodule 'inner': /);
      expect(error.message).toContain(fault);
    }
  });

  test("that name a commit which is gone are a final failure that names it", async () => {
    const { server, repositories, checkout } = await setUp(["top", "low"]);
    const [top, low] = repositories as [TestRepository, TestRepository];
    await low.commit({ file: "low" }, "First");
    const commit = "0123456789abcdef0123456789abcdef01234567";
    await addSubmodule(top, { path: "low", url: "../low", commit });
    const error = await checkout.failure(`${server.url}/top`);
    expect(error).toMatchObject({ code: "no-such-commit", isTransient: false });
    expect(error.message).toContain(commit);
  });

  test("that have no address are empty directories, as git leaves them", async () => {
    const { server, repositories, checkout } = await setUp(["top"]);
    const [top] = repositories as [TestRepository];
    const commit = await top.commit({ file: "top" }, "First");
    await top.git("update-index", "--add", "--cacheinfo", `160000,${commit},inner`);
    await top.git("commit", "--quiet", "-m", "no .gitmodules");
    const { tree } = await checkout.of(`${server.url}/top`);
    expect(await readdir(join(tree, "inner"))).toEqual([]);
  });

  test("are never written through a link that another one has put in their place", async () => {
    const { directory, server, repositories, checkout } = await setUp(["top", "link", "low"]);
    const [top, link, low] = repositories as [TestRepository, TestRepository, TestRepository];
    const outside = join(directory, "outside");
    await mkdir(outside);
    await symlink(outside, join(link.directory, "inner"));
    const linked = await link.commit({}, "a link");
    const commit = await low.commit({ file: "low" }, "First");
    const modules = ["link", "link/inner"].map(
      (path, index) =>
        `[submodule "${index}"]\npath = ${path}\nurl = ../${["link", "low"][index]}\n`,
    );
    await top.commit({ ".gitmodules": modules.join("") }, "First");
    const blob = (await top.git("rev-parse", "HEAD:.gitmodules")).trim();
    const inner = await writeRawTree(top, [{ mode: "160000", name: "inner", hash: commit }]);
    const tree = await writeRawTree(top, [
      { mode: "100644", name: ".gitmodules", hash: blob },
      { mode: "160000", name: "link", hash: linked },
      { mode: "40000", name: "link", hash: inner },
    ]);
    await top.git("update-ref", "HEAD", (await top.git("commit-tree", "-m", "x", tree)).trim());
    const error = await checkout.of(`${server.url}/top`).catch((reason: unknown) => reason);
    expect(await readdir(outside)).toEqual([]);
    if (!(error instanceof WorkerError)) throw new Error("the checkout did not fail");
    expect(error).toMatchObject({ code: "bad-submodules", isTransient: false });
    expect(error.message).toContain("submodule 'link/inner'");
  });
});
