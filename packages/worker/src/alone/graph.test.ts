import { describe, expect, test } from "vitest";
import { BuildGraph } from "./graph.ts";

function graphOf(edges: Readonly<Record<string, readonly string[]>>): BuildGraph {
  const graph = new BuildGraph();
  graph.add(Object.entries(edges).map(([drvPath, inputDrvs]) => ({ drvPath, inputDrvs })));
  return graph;
}

function takeAll(graph: BuildGraph): string[] {
  const taken: string[] = [];
  for (let next = graph.take(); next !== null; next = graph.take()) taken.push(next);
  return taken;
}

describe("a build graph", () => {
  test("gives a derivation once all of its inputs are built", () => {
    const graph = graphOf({ top: ["left", "right"], left: ["base"], right: ["base"], base: [] });
    expect(takeAll(graph)).toEqual(["base"]);
    graph.built("base");
    expect(takeAll(graph)).toEqual(["left", "right"]);
    graph.built("right");
    expect(takeAll(graph)).toEqual([]);
    graph.built("left");
    expect(takeAll(graph)).toEqual(["top"]);
    graph.built("top");
    expect(graph.isBusy).toBe(false);
    expect(graph.counts).toEqual({ total: 4, building: 0, built: 4, failed: 0 });
  });

  test("gives what the longest chain waits for first, and else what came first", () => {
    const graph = graphOf({ a: [], b: [], top: ["mid"], mid: ["low"], low: [], side: ["b"] });
    expect(takeAll(graph)).toEqual(["low", "b", "a"]);
    graph.built("b");
    graph.built("low");
    expect(takeAll(graph)).toEqual(["mid", "side"]);
  });

  test("what is added later may make a chain longer", () => {
    const graph = graphOf({ a: [], above: ["a"], b: [] });
    graph.add([
      { drvPath: "top", inputDrvs: ["mid"] },
      { drvPath: "mid", inputDrvs: ["b"] },
    ]);
    expect(takeAll(graph)).toEqual(["b", "a"]);
  });

  test("takes inputs that are not in it for valid", () => {
    expect(takeAll(graphOf({ top: ["elsewhere"] }))).toEqual(["top"]);
  });

  test("grows while it is worked on: a built input is not waited for, a failed one fails", () => {
    const graph = graphOf({ good: [], bad: [] });
    takeAll(graph);
    graph.built("good");
    graph.failed("bad");
    graph.add([
      { drvPath: "later", inputDrvs: ["good"] },
      { drvPath: "hopeless", inputDrvs: ["good", "bad"] },
      { drvPath: "further", inputDrvs: ["hopeless"] },
    ]);
    expect(takeAll(graph)).toEqual(["later"]);
    expect(graph.stateOf("hopeless")).toBe("dependency_failed");
    expect(graph.stateOf("further")).toBe("dependency_failed");
  });

  test("fails everything above a failure, counted once, and nothing beside it", () => {
    const graph = graphOf({
      top: ["left", "right"],
      left: ["bad"],
      right: ["bad"],
      bad: [],
      ok: [],
    });
    takeAll(graph);
    graph.failed("bad");
    expect(graph.counts).toMatchObject({ building: 1, failed: 4 });
    expect(graph.stateOf("ok")).toBe("building");
  });

  test("a chain of twenty thousand fails without recursion", () => {
    const links = Array.from({ length: 20_000 }, (_, n) => [`d${n}`, n === 0 ? [] : [`d${n - 1}`]]);
    const graph = graphOf(Object.fromEntries(links));
    expect(takeAll(graph)).toEqual(["d0"]);
    graph.failed("d0");
    expect(graph.counts.failed).toBe(20_000);
  });

  test("is not changed by what it knows already", () => {
    const graph = graphOf({ base: [] });
    expect(takeAll(graph)).toEqual(["base"]);
    graph.add([{ drvPath: "base", inputDrvs: ["new"] }]);
    expect(graph.counts).toMatchObject({ total: 1, building: 1 });
  });

  test("gives nothing more once it is abandoned", () => {
    const graph = graphOf({ top: ["base"], base: [], other: [] });
    expect(graph.take()).toBe("base");
    graph.abandon();
    graph.built("base");
    expect(graph.take()).toBeNull();
    expect(graph.stateOf("top")).toBe("abandoned");
    expect(graph.stateOf("other")).toBe("abandoned");
  });
});
