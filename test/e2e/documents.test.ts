import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPrinted, stepsOf } from "../support/documents.ts";
import { root } from "../support/programs.ts";
import { installEnvironment } from "../support/installed.ts";
import { ThrowawayMachine } from "../support/throwaway-machine.ts";

/** In the order in which a newcomer reads them: each goes on with the machine as the one before has left it. */
const inOrder = [
  "docs/install.md",
  "docs/first-project.md",
  "docs/clients.md",
  "docs/accounting.md",
  "docs/farm.md",
  "docs/alone.md",
  "docs/worker.md",
  "docs/operations.md",
];

/** Whose commands are run elsewhere. */
const elsewhere = ["README.md"];

const whyNot = await ThrowawayMachine.whyNot();
if (whyNot !== undefined) process.stderr.write(`documents are not followed: ${whyNot}\n`);

describe.skipIf(whyNot !== undefined)("the documents", { timeout: 300_000 }, () => {
  let machine: ThrowawayMachine;
  beforeAll(async () => {
    machine = await ThrowawayMachine.start();
  });
  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
  });

  test.each(inOrder)("%s works as it is written", async (path) => {
    using shell = machine.shell(await installEnvironment());
    for (const { line, commands, output } of stepsOf(await readFile(join(root, path), "utf8"))) {
      const { ok, printed } = await shell.run(commands, 250_000);
      const place = `${path}:${line}\n${commands}\n--- printed:\n${printed}`;
      expect(ok, place).toBe(true);
      if (output !== undefined)
        expect(isPrinted(output, printed), `${place}\n--- expected:\n${output}`).toBe(true);
    }
  });

  test("every document with commands is followed", async () => {
    const documents = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"));
    const withCommands: string[] = [];
    for (const path of ["README.md", ...documents.map((name) => `docs/${name}`)])
      if (stepsOf(await readFile(join(root, path), "utf8")).length > 0) withCommands.push(path);
    expect(withCommands.toSorted()).toEqual([...inOrder, ...elsewhere].toSorted());
  });
});
