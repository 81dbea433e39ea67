import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AttributePath } from "@gradient/protocol";
import { Part, type Stretch, complete, partFor } from "./walk-part.ts";

interface Tree {
  [name: string]: Tree | null;
}

type Step = { list: AttributePath; names: string[] } | { enter: AttributePath };

/** What the walker says of a tree, in the order in which it goes. */
function* walk(
  tree: Tree,
  stretch: Stretch,
  at: AttributePath = [],
  isAbove = true,
): Generator<Step> {
  const { start, backward, isStartDone } = stretch;
  const names = Object.keys(tree).toSorted();
  const above = backward !== null && isAbove;
  const turns =
    above && (backward.depth === null ? names.length > 1 : at.length === backward.depth);
  const passes = above && !turns;
  const behind = start !== null && at.every((name, index) => start[index] === name) ? start : null;
  if (names.length > 1 && !above) yield { list: at, names };
  let isReached = behind?.[at.length] === undefined;
  for (const name of turns ? names.toReversed() : names) {
    const here = [...at, name];
    const child = tree[name] ?? {};
    if (!isReached && name !== behind?.[at.length]) continue;
    const isOnTheWay = !isReached && behind !== null && behind.length > here.length;
    const isDone = !isReached && !isOnTheWay && isStartDone;
    isReached = true;
    if (!isOnTheWay && !isDone && !passes) yield { enter: here };
    if (!isDone)
      yield* walk(child, isOnTheWay ? stretch : { ...stretch, start: null }, here, passes);
    if (passes) return;
  }
}

/** Numbers below a bound, always the same. */
function numbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

function randomTree(random: (bound: number) => number, depth: number): Tree {
  const count = depth === 0 ? 1 + random(9) : random(7);
  const names = Array.from({ length: count }, () => String.fromCodePoint(97 + random(26)));
  const below = (): Tree | null =>
    depth < 3 && random(3) === 0 ? randomTree(random, depth + 1) : null;
  return Object.fromEntries(names.map((name) => [name, below()]));
}

function* pathsOf(tree: Tree, at: AttributePath = []): Generator<string> {
  for (const [name, child] of Object.entries(tree)) {
    yield [...at, name].join(".");
    yield* pathsOf(child ?? {}, [...at, name]);
  }
}

/** Walks a tree with several processes that go on by chance, and now and then are followed by others. */
function walkTogether(tree: Tree, processes: number, random: (bound: number) => number): string[] {
  const entered: string[] = [];
  const running = new Map<Part, Generator<Step>>();
  const begin = (part: Part): void => {
    part.renew();
    running.set(part, walk(tree, { ...part.stretch }));
  };
  const finish = (part: Part): void => {
    running.delete(part);
    const idle = complete(part, running.keys());
    if (idle !== null) running.delete(idle);
  };
  const whole = { start: null, isStartDone: false, end: null };
  const first = new Part({ ...whole, backward: null });
  begin(first);
  if (processes > 1) begin(new Part({ ...whole, backward: { depth: null } }, first));
  while (running.size > 0) {
    vi.advanceTimersByTime(500);
    const [part, steps] = [...running][random(running.size)] ?? [];
    if (part === undefined || steps === undefined) throw new Error("nothing runs");
    const step = steps.next();
    if (step.done === true) finish(part);
    else if ("list" in step.value) part.position.list(step.value.list, step.value.names);
    else if (!part.mayEnter(step.value.enter)) finish(part);
    else if (part.entered > 0 && random(9) === 0) {
      part.goOnAt(step.value.enter, false);
      begin(part);
    } else {
      const { enter } = step.value;
      part.enter(enter);
      entered.push(enter.join("."));
      const isLeaf = childOf(tree, enter) === null;
      if (isLeaf && random(9) === 0) {
        part.goOnAt(enter, true);
        begin(part);
      }
    }
    while (running.size < processes) {
      const next = partFor(running.keys(), 0);
      if (next === null) break;
      begin(next);
    }
  }
  return entered;
}

function childOf(tree: Tree, path: AttributePath): Tree | null {
  let child: Tree | null = tree;
  for (const name of path) child = child?.[name] ?? null;
  return child;
}

describe("parts of a walk", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([1, 2, 3, 5])(
    "%i processes enter each attribute once, whoever is faster",
    (processes) => {
      for (let seed = 0; seed < 400; seed++) {
        const random = numbers(seed);
        const tree = randomTree(random, 0);
        const entered = walkTogether(tree, processes, random);
        expect(entered.toSorted(), `seed ${seed}`).toEqual([...pathsOf(tree)].toSorted());
      }
    },
  );

  const whole = { start: null, isStartDone: false, end: null };

  function walking(names: string[], msEach: number): Part {
    const part = new Part({ ...whole, backward: null });
    part.position.list([], names);
    for (const name of names.slice(0, 1)) part.enter([name]);
    vi.advanceTimersByTime(msEach);
    return part;
  }

  test("an idle process comes from the end, and a further one takes a later half", () => {
    const slow = walking(["a", "b", "c", "d", "e"], 100);
    const behind = partFor([slow], 0);
    if (behind === null) throw new Error("nothing is shared");
    expect(behind.stretch).toMatchObject({ start: ["e"], backward: { depth: 0 } });
    expect(behind.mayEnter(["e"])).toBe(true);
    expect(slow.stretch.end).toEqual(["e"]);
    const third = partFor([slow, behind], 0);
    expect(third?.stretch).toMatchObject({ start: ["c"], end: ["e"], backward: null });
    expect(slow.stretch.end).toEqual(["c"]);
    expect(behind.ahead).toBe(third);
  });

  test("nothing is shared that takes less than 80 ms, or hardly longer than another start", () => {
    expect(partFor([walking(["a", "b", "c"], 30)], 0)).toBeNull();
    expect(partFor([walking(["a", "b", "c"], 50)], 100)).toBeNull();
    expect(partFor([walking(["a", "b", "c"], 50)], 70)).not.toBeNull();
  });
});
