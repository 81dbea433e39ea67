import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { v7, version } from "uuid";
import { UserError } from "../errors.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { loadWorkerId } from "./worker-id.ts";

describe("the worker id", () => {
  test("is made once, as version 4, private and without leftovers", async () => {
    const directory = join(await temporaryDirectory(), "state");
    const id = await loadWorkerId(directory, null);
    expect(version(id)).toBe(4);
    expect(await loadWorkerId(directory, null)).toBe(id);
    expect(await readdir(directory)).toEqual(["worker-id"]);
    expect((await stat(join(directory, "worker-id"))).mode & 0o777).toBe(0o600);
  });

  test("may be any UUID when it is given, and is not written then", async () => {
    const directory = await temporaryDirectory();
    const given = v7();
    expect(await loadWorkerId(directory, given.toUpperCase())).toBe(given);
    expect(await readdir(directory)).toEqual([]);
  });

  test("in a file with something else is an error that says what to do, and the file stays", async () => {
    const directory = await temporaryDirectory();
    const file = join(directory, "worker-id");
    await writeFile(file, "hello\n");
    const loading = loadWorkerId(directory, null);
    await expect(loading).rejects.toBeInstanceOf(UserError);
    await expect(loading).rejects.toThrow(`${file} does not hold a worker id`);
    expect(await readFile(file, "utf8")).toBe("hello\n");
  });

  test("that cannot be kept is an error that names the file", async () => {
    const loading = loadWorkerId("/proc/no/state", null);
    await expect(loading).rejects.toThrow("cannot write /proc/no/state/worker-id");
  });

  test("given as something else is an error that shows it", async () => {
    const loading = loadWorkerId(await temporaryDirectory(), "worker-one");
    await expect(loading).rejects.toThrow("'worker-one' is no UUID");
  });
});
