import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { formatDerivation, parseDrvPath } from "@gradient/protocol";
import { describe, expect, test } from "vitest";
import { storePath } from "../../testing/offers.ts";
import { ScriptedStore } from "../../testing/scripted-nix.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { ClosureWalk } from "./closure-walk.ts";

async function setUp() {
  const directory = join(await temporaryDirectory(), "store");
  mkdirSync(directory);
  const store = new ScriptedStore(directory);
  const add = (name: string, inputs: readonly string[] = []): string => {
    const drvPath = storePath(`${name}.drv`);
    const bytes = formatDerivation({
      outputs: new Map(),
      inputDrvs: new Map(inputs.toSorted().map((path) => [parseDrvPath(path), ["out"]])),
      inputSrcs: [],
      system: "x86_64-linux",
      builder: "/bin/sh",
      args: [],
      env: new Map(),
    });
    writeFileSync(store.physicalPath(drvPath), bytes);
    return drvPath;
  };
  const known = new Set<string>();
  const questions: string[][] = [];
  const walk = new ClosureWalk(store, async (drvPaths) => {
    questions.push(drvPaths.map((path) => basename(path).slice(33)));
    return drvPaths.filter((path) => !known.has(path));
  });
  const names = async (...roots: string[]): Promise<string[]> =>
    (await walk.unknownIn(roots)).map(({ drvPath }) => basename(drvPath, ".drv").slice(33));
  return { add, known, questions, names };
}

describe("the unknown derivations in a closure", () => {
  test("come inputs first, each once", async () => {
    const { add, names } = await setUp();
    const base = add("base");
    const left = add("left", [base]);
    const right = add("right", [base]);
    const found = await names(add("top", [left, right, base]), left);
    expect(found.toSorted()).toEqual(["base", "left", "right", "top"]);
    expect(found[0]).toBe("base");
    expect(found[3]).toBe("top");
  });

  test("do not hold what is below a known one, and it is not even read", async () => {
    const { add, known, names } = await setUp();
    const library = add("library", [storePath("not-there.drv")]);
    known.add(library);
    expect(await names(library)).toEqual([]);
  });

  test("are not given twice by later calls", async () => {
    const { add, questions, names } = await setUp();
    const base = add("base");
    expect(await names(add("one", [base]))).toEqual(["base", "one"]);
    expect(await names(add("two", [base]))).toEqual(["two"]);
    expect(questions.flat().toSorted()).toEqual(["base.drv", "one.drv", "two.drv"]);
  });

  test("are found in a deep chain with few questions", async () => {
    const { add, questions, names } = await setUp();
    let top = add("n0");
    for (let depth = 1; depth < 1200; depth++) top = add(`n${depth}`, [top]);
    const found = await names(top);
    expect(found).toEqual(Array.from({ length: 1200 }, (_, depth) => `n${depth}`));
    expect(questions.length).toBeLessThanOrEqual(4);
  });

  test("are found in a wide graph where everything shares everything", async () => {
    const { add, names } = await setUp();
    let layer = [add("base")];
    for (let depth = 0; depth < 30; depth++) {
      const below = layer;
      layer = Array.from({ length: 20 }, (_, index) => add(`l${depth}-${index}`, below));
    }
    const found = await names(...layer);
    expect(new Set(found).size).toBe(601);
    expect(found[0]).toBe("base");
  });
});
