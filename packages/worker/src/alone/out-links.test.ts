import { mkdir, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { ScriptedStore } from "../testing/scripted-nix.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { makeOutLinks, resultsOf } from "./out-links.ts";
import type { JobRecord } from "./report.ts";

function job(name: string, output = "out"): JobRecord {
  return {
    attribute: [name, output],
    drvPath: `/nix/store/${name}.drv`,
    output: { name: output, path: `/nix/store/${name}-${output}` },
    status: "built",
    error: null,
  };
}

test("links are numbered by derivation, and named by outputs other than out", () => {
  const jobs = [job("a"), job("b", "dev"), job("a", "lib"), job("c")];
  expect(resultsOf(jobs, "result").map(({ link }) => link)).toEqual([
    "result",
    "result-2-dev",
    "result-lib",
    "result-3",
  ]);
});

describe("a link", () => {
  async function link(directory: string): Promise<void> {
    const store = new ScriptedStore(join(directory, "store"));
    await makeOutLinks(resultsOf([job("a")], "result"), { directory, store });
  }

  test("takes the place of an older one", async () => {
    const directory = await temporaryDirectory();
    await symlink("/nix/store/older", join(directory, "result"));
    await link(directory);
    expect(await readlink(join(directory, "result"))).toBe("/nix/store/a-out");
  });

  test.each([
    ["a file", (path: string) => writeFile(path, "mine")],
    ["a directory", (path: string) => mkdir(path)],
    ["a link elsewhere", (path: string) => symlink("/home", path)],
  ])("never takes the place of %s", async (_what, make) => {
    const directory = await temporaryDirectory();
    await make(join(directory, "result"));
    await expect(link(directory)).rejects.toThrow("something else is there");
  });

  test("that cannot be made is told by its name", async () => {
    const directory = join(await temporaryDirectory(), "file");
    await writeFile(directory, "");
    const error = link(directory);
    await expect(error).rejects.toThrow(UserError);
    await expect(error).rejects.toThrow(`cannot make the link ${directory}/result: ENOTDIR`);
  });
});
