import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPrinted, stepsOf } from "../support/documents.ts";
import { root } from "../support/programs.ts";
import { installEnvironment } from "../support/installed.ts";
import { ThrowawayMachine } from "../support/throwaway-machine.ts";

/** In the order in which a newcomer reads them: each goes on with the machine as the one before has left it. */
const inOrder = [
  "README.md",
  "docs/install.md",
  "docs/first-project.md",
  "docs/clients.md",
  "docs/accounting.md",
  "docs/farm.md",
  "docs/alone.md",
  "docs/worker.md",
  "docs/operations.md",
];

/** Lines of the README that these tests are part of, that take as long, or that `npm start` has done. */
const NOT_FOLLOWED = /\bnpm (?:test|run (?:setup|check|bench))\b/;

/** It goes on until it is stopped, and is stopped when it has shown everything. */
const START = `
  npm start > /tmp/start.log 2>&1 &
  until grep -q 'The farm stays up' /tmp/start.log; do
    kill -0 $! || { cat /tmp/start.log; false; }
    sleep 0.2
  done
  kill $!
  wait $! || true
`;

/** Of the README: the other documents are followed to the letter. */
function asFollowed(path: string, commands: string): string {
  if (path !== "README.md") return commands;
  const lines = commands.split("\n").filter((line) => !NOT_FOLLOWED.test(line));
  return lines.map((line) => (/^npm start\b/.test(line) ? START : line)).join("\n");
}

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
      const { ok, printed } = await shell.run(asFollowed(path, commands), 250_000);
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
    expect(withCommands.toSorted()).toEqual(inOrder.toSorted());
  });
});
