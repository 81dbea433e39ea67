import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Head, ResolveHead } from "@gradient/protocol";
import { expect, onTestFinished, test } from "vitest";
import { captureLog } from "../../testing/log-capture.ts";
import { freePort, GitServer, TestRepository } from "../../testing/git-server.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { ORGANIZATION } from "../../testing/offers.ts";
import { Heads } from "./heads.ts";

async function setUp() {
  const directory = await temporaryDirectory();
  const repository = new TestRepository(join(directory, "served", "project"));
  await repository.init();
  const server = await GitServer.start(join(directory, "served"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const scratch = join(directory, "scratch");
  const url = `${server.url}/project`;
  const ask = (change: Partial<ResolveHead> = {}): Promise<Head> =>
    new Promise((resolve) => {
      const heads = new Heads({
        fetchRules: { localDirectories: [], credentialsFile: null },
        environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
        scratchDirectory: scratch,
        send: resolve,
        logger: captureLog().logger,
      });
      heads.answer({
        type: "resolve-head",
        question: "0198a000-0000-7000-8000-000000000001",
        organization: ORGANIZATION,
        repository: url,
        reference: null,
        credentials: null,
        ...change,
      });
    });
  return { repository, scratch, ask, url };
}

test("the commit of HEAD and of a branch is told, and nothing stays behind", async () => {
  const { repository, ask, scratch } = await setUp();
  const first = await repository.commit({ file: "1" }, "First");
  await repository.git("checkout", "--quiet", "-b", "feature/main");
  const second = await repository.commit({ file: "2" }, "Second");
  await repository.git("checkout", "--quiet", "main");

  expect(await ask()).toMatchObject({ commit: first, failure: null, hostKeys: [] });
  expect(await ask({ reference: "refs/heads/main" })).toMatchObject({ commit: first });
  expect(await ask({ reference: "refs/heads/feature/main" })).toMatchObject({ commit: second });
  expect(await readdir(scratch)).toEqual([]);
});

test("a branch that is not there is told as such", async () => {
  const { repository, ask } = await setUp();
  await repository.commit({ file: "1" }, "First");
  const { commit, failure } = await ask({ reference: "refs/heads/gone" });
  expect(commit).toBeNull();
  expect(failure?.message).toContain("has no branch gone");
  expect(failure?.isTransient).toBe(false);
});

test("a repository without a commit is told as such", async () => {
  const { ask } = await setUp();
  const { failure } = await ask();
  expect(failure?.message).toMatch(/has no commit that HEAD names/);
});

test("a repository that cannot be reached is told in git's own words", async () => {
  const { ask } = await setUp();
  const { failure } = await ask({ repository: `git://127.0.0.1:${await freePort()}/x` });
  expect(failure?.message).toMatch(/unable to connect|Connection refused/i);
});

test.each(["--upload-pack=touch /tmp/x", "ext::sh -c id", "file:///etc", "/etc"])(
  "%s is no repository",
  async (repository) => {
    const { ask } = await setUp();
    const { commit, failure } = await ask({ repository });
    expect(commit).toBeNull();
    expect(failure?.message).toMatch(/cannot be fetched/);
  },
);

test("a name that git would read otherwise is refused", async () => {
  const { ask } = await setUp();
  const { failure } = await ask({ reference: "refs/heads/*" });
  expect(failure?.message).toMatch(/is no name of a branch or tag/);
});
