import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WorkerError } from "../../errors.ts";
import { TestCheckout } from "../../testing/git-checkout.ts";
import { freePort, GitServer, TestRepository } from "../../testing/git-server.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { writeProgram } from "../../testing/write-program.ts";

async function setUp() {
  const directory = await temporaryDirectory();
  const repository = new TestRepository(join(directory, "served", "project"));
  await repository.init();
  const server = await GitServer.start(join(directory, "served"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const checkout = new TestCheckout(directory);
  const checkOut = ({ repository: address, ...change }: Change) =>
    checkout.of(address ?? `${server.url}/project`, change);
  return { directory, repository, server, clones: checkout.clones, checkout, checkOut };
}

type Change = { repository?: string } & Parameters<TestCheckout["of"]>[1];

async function failureOf(work: Promise<unknown>): Promise<WorkerError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof WorkerError))
    throw new Error(`expected a WorkerError, not ${String(error)}`);
  return error;
}

describe("a fetch", () => {
  test("gives the newest commit of HEAD, a branch or a tag, with its facts", async () => {
    const { repository, checkOut } = await setUp();
    const first = await repository.commit({ file: "1" }, "First\n\nwith a body, é");
    await repository.git("tag", "-a", "v1", "-m", "annotated");
    await repository.git("checkout", "--quiet", "-b", "other");
    const second = await repository.commit({ file: "2" }, "Second");
    await repository.git("checkout", "--quiet", "main");

    expect((await checkOut({})).commit).toEqual({
      hash: first,
      message: "First\n\nwith a body, é",
      authorName: "Ada Lovelace",
      authorEmail: "ada@example.org",
    });
    expect((await checkOut({ reference: "other" })).commit.hash).toBe(second);
    expect((await checkOut({ reference: "refs/heads/other" })).commit.hash).toBe(second);
    expect((await checkOut({ reference: "v1" })).commit.hash).toBe(first);
  });

  test("follows a branch that was moved, also back", async () => {
    const { repository, checkOut } = await setUp();
    const first = await repository.commit({ file: "1" }, "First");
    expect((await checkOut({ reference: "main" })).commit.hash).toBe(first);
    const second = await repository.commit({ file: "2" }, "Second");
    expect((await checkOut({ reference: "main" })).commit.hash).toBe(second);
    await repository.git("reset", "--quiet", "--hard", first);
    const { commit, tree } = await checkOut({ reference: "main" });
    expect(commit.hash).toBe(first);
    expect(await readFile(join(tree, "file"), "utf8")).toBe("1");
  });

  test("gives exactly the commit that is asked for, whatever the reference says", async () => {
    const { repository, checkOut } = await setUp();
    const first = await repository.commit({ file: "1" }, "First");
    await repository.commit({ file: "2" }, "Second");
    const { commit, tree } = await checkOut({ reference: "main", commit: first });
    expect(commit.hash).toBe(first);
    expect(await readFile(join(tree, "file"), "utf8")).toBe("1");
  });

  test("of a commit that is here already needs no network", async () => {
    const { repository, server, checkOut } = await setUp();
    const first = await repository.commit({ file: "1" }, "First");
    await checkOut({});
    await server[Symbol.asyncDispose]();
    expect((await checkOut({ commit: first })).commit.hash).toBe(first);
  });

  test("asks git for nothing twice, and for nothing that the tree tells", async () => {
    const { directory, repository, server } = await setUp();
    const said = join(directory, "said");
    const bin = join(directory, "bin");
    const { PATH = "" } = process.env;
    // Of "git --git-dir=D -c A=B … COMMAND …" the command.
    const script = [
      "#!/bin/sh",
      `PATH="${PATH}"`,
      'for each; do case "$each" in -*|*=*) ;; *) break;; esac; done',
      `echo "$each" >> ${said}`,
      'exec git "$@"',
    ];
    writeProgram(join(bin, "git"), script.join("\n"));
    const environment = { ...process.env, PATH: `${bin}:${PATH}` };
    const checkout = new TestCheckout(directory, { environment });
    const commands = async (commit: string): Promise<string[]> => {
      await writeFile(said, "");
      await checkout.of(`${server.url}/project`, { commit });
      return (await readFile(said, "utf8")).trim().split("\n").toSorted();
    };
    const first = await repository.commit({ file: "1" }, "First");
    expect(await commands(first)).toEqual(["fetch", "init", "log", "read-tree"]);
    const second = await repository.commit({ file: "2" }, "Second");
    expect(await commands(second)).toEqual(["cat-file", "fetch", "log", "read-tree"]);
    expect(await commands(first)).toEqual(["cat-file", "log", "read-tree"]);
  });

  test("writes exactly the tree: no attributes change it, nothing of git is in it", async () => {
    const { repository, checkOut } = await setUp();
    const files = {
      ".gitattributes":
        "*.txt text eol=crlf\n*.id ident\nsecret export-ignore\nversion export-subst\n",
      "a.txt": "one\ntwo\n",
      "b.id": "$Id$\n",
      secret: "kept",
      version: "$Format:%H$\n",
      "bin/run": Buffer.from([0, 255, 10, 13]),
    };
    await mkdir(repository.directory, { recursive: true });
    await symlink("../outside", join(repository.directory, "link"));
    await writeFile(join(repository.directory, "tool"), "#!/bin/sh\n");
    await chmod(join(repository.directory, "tool"), 0o755);
    await repository.commit(files, "Odd files");
    const { tree } = await checkOut({});
    for (const [name, contents] of Object.entries(files)) {
      expect(await readFile(join(tree, name))).toEqual(Buffer.from(contents));
    }
    expect(await readlink(join(tree, "link"))).toBe("../outside");
    expect((await lstat(join(tree, "tool"))).mode & 0o111).not.toBe(0);
    expect((await lstat(join(tree, "secret"))).mode & 0o111).toBe(0);
    expect((await readdir(tree)).toSorted()).toEqual(
      [
        ...Object.keys(files).filter((name) => !name.includes("/")),
        "bin",
        "link",
        "tool",
      ].toSorted(),
    );
  });

  test("goes on after one that was killed and left its locks", async () => {
    const { repository, clones, checkOut } = await setUp();
    await repository.commit({ file: "1" }, "First");
    await checkOut({});
    const [clone = ""] = await readdir(clones);
    await writeFile(join(clones, clone, "shallow.lock"), "");
    await writeFile(join(clones, clone, "packed-refs.lock"), "");
    const second = await repository.commit({ file: "2" }, "Second");
    expect((await checkOut({})).commit.hash).toBe(second);
  });
});

describe("what cannot be fetched is told in git's own words", () => {
  test("nothing listens there: worth another try", async () => {
    const { checkOut } = await setUp();
    const repository = `git://127.0.0.1:${await freePort()}/project`;
    const error = await failureOf(checkOut({ repository }));
    expect(error).toMatchObject({ code: "unreachable", isTransient: true });
    expect(error.message).toContain(`cannot fetch ${repository}: `);
    expect(error.message).toContain("Connection refused");
  });

  test("no such repository", async () => {
    const { server, checkOut } = await setUp();
    const error = await failureOf(checkOut({ repository: `${server.url}/absent` }));
    expect(error).toMatchObject({ code: "no-such-repository", isTransient: false });
    expect(error.message).toContain("/absent");
  });

  test("no such branch", async () => {
    const { repository, checkOut } = await setUp();
    await repository.commit({ file: "1" }, "First");
    const error = await failureOf(checkOut({ reference: "absent" }));
    expect(error).toMatchObject({ code: "no-such-reference", isTransient: false });
    expect(error.message).toContain("couldn't find remote ref absent");
  });

  test("no such commit", async () => {
    const { repository, server, checkOut } = await setUp();
    await repository.commit({ file: "1" }, "First");
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const error = await failureOf(checkOut({ commit }));
    expect(error).toMatchObject({ code: "no-such-commit", isTransient: false });
    expect(error.message).toContain(
      `${server.url}/project has no commit ${commit} in its branches and tags`,
    );
  });

  test("a host that cannot be reached with the given credentials, which are private", async () => {
    const { checkout, checkOut } = await setUp();
    const repository = `ssh://git@127.0.0.1:${await freePort()}/project`;
    const credentials = { sshPrivateKey: "no key", knownHosts: "" };
    const error = await failureOf(checkOut({ repository, credentials }));
    expect(error.message).toContain(`cannot fetch ${repository}`);
    expect((await stat(join(checkout.scratch, "ssh-key"))).mode & 0o777).toBe(0o600);
  });
});
