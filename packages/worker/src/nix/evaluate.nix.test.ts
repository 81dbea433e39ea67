import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type AttributeNode, isExcluded, parsePattern, selectAttributes } from "@gradient/protocol";
import fc from "fast-check";
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import { EvaluationFixture, failureOf } from "./testing/evaluation-fixture.ts";
import { expression } from "./testing/nix-fixture.ts";

let fixture: EvaluationFixture;

beforeAll(async () => {
  fixture = await EvaluationFixture.make(process.env);
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await fixture.clearTree();
});

const evaluate: EvaluationFixture["evaluate"] = (...request) => fixture.evaluate(...request);

function drv(name: string): string {
  return `mk "${name}" "echo > $out" { }`;
}

describe("what is evaluated", () => {
  test("derivations are found and written to the store", async () => {
    const { jobs, list } = await evaluate({
      "default.nix": expression(`{ one = ${drv("one")}; nested.two = ${drv("two")}; number = 1; }`),
    });
    expect(jobs).toEqual({ one: "one.drv", "nested.two": "two.drv" });
    const paths = list.flatMap((job) => (job.outcome === "derivation" ? [job.drvPath] : []));
    expect((await fixture.store.validPaths(paths)).size).toBe(2);
  });

  test("default.nix goes before release.nix, and that before ci.nix", async () => {
    const ci = { "ci.nix": expression(`{ ci = ${drv("x")}; }`) };
    expect(Object.keys((await evaluate(ci)).jobs)).toEqual(["ci"]);
    const release = { "release.nix": expression(`{ release = ${drv("x")}; }`) };
    expect(Object.keys((await evaluate(release)).jobs)).toEqual(["release"]);
    const main = { "default.nix": expression(`{ main = ${drv("x")}; }`) };
    expect(Object.keys((await evaluate(main)).jobs)).toEqual(["main"]);
  });

  test("functions are called when their arguments have defaults, at the root and below", async () => {
    const { jobs } = await evaluate({
      "default.nix": `{ name ? "given" }: ${expression(
        `{ root = mk name "echo > $out" { }; below = { n ? "inner" }: mk n "echo > $out" { }; other = { n }: n; }`,
      )}`,
    });
    expect(jobs).toEqual({ root: "given.drv", below: "inner.drv" });
  });

  test("a derivation alone is the job 'default'", async () => {
    const { jobs } = await evaluate({ "default.nix": expression(drv("alone")) });
    expect(jobs).toEqual({ default: "alone.drv" });
  });

  test("files of the tree are found, and the derivation does not depend on where the store lies", async () => {
    const { jobs, list } = await evaluate({
      "default.nix": expression(`import ./sub/file.nix { inherit mk; }`),
      "sub/file.nix": `{ mk }: { a = mk "with-source" "echo > $out" { src = ./data; }; }`,
      "sub/data": "hello",
    });
    expect(jobs).toEqual({ a: "with-source.drv" });
    const [job] = list;
    const drvPath = job?.outcome === "derivation" ? job.drvPath : "";
    expect(await fixture.nix.run("nix-store", ["-q", "--references", drvPath])).toMatch(/-data$/m);
  });

  test("names with dots and quotes are one name", async () => {
    const { list } = await evaluate({
      "default.nix": expression(`{ "a.b\\"c\${"$"}{d}é" = ${drv("odd")}; }`),
    });
    expect(list[0]?.attribute).toEqual(['a.b"c${d}é']);
  });
});

describe("attributes that fail", () => {
  const POISON = expression(`{
    aborts = abort "this attribute aborts";
    asserts = assert 1 == 2; ${drv("x")};
    bad = derivation { name = "x"; builder = "/bin/sh"; };
    deep = let f = i: 1 + f (i + 1); in f 0;
    fake = { type = "derivation"; name = "fake"; };
    good = ${drv("good")};
    missing = ({ }).no.such.attribute;
    missing-file = import ./no-such-file.nix;
    nested = { inner = throw "from inside"; fine = ${drv("fine")}; worse = abort "worse"; };
    recursion = let x = x; in x;
    syntax = import ./broken.nix;
    throws = throw "this attribute throws\\nin two lines";
    through = mk "through" "echo > $out" { dep = throw "behind drvPath"; };
    zlast = ${drv("zlast")};
  }`);

  test("fail alone, with a message and a place", async () => {
    const { jobs } = await evaluate({ "default.nix": POISON, "broken.nix": "{\n  a = ;\n}\n" });
    expect(jobs).toMatchObject({
      good: "good.drv",
      "nested.fine": "fine.drv",
      zlast: "zlast.drv",
    });
    const errors = Object.fromEntries(
      Object.entries(jobs).filter(([, text]) => text.startsWith("error: ")),
    );
    expect(errors).toEqual({
      aborts: expect.stringContaining("this attribute aborts"),
      asserts: expect.stringMatching(/error: .+/),
      bad: expect.stringContaining("'system' missing"),
      deep: expect.stringMatching(/stack overflow/),
      fake: expect.stringContaining("drvPath"),
      missing: expect.stringMatching(/attribute 'no' missing\nat default\.nix:\d+:\d+/),
      "missing-file": expect.stringContaining("no-such-file.nix"),
      "nested.inner": expect.stringContaining("from inside"),
      "nested.worse": expect.stringContaining("worse"),
      recursion: expect.stringMatching(/infinite recursion encountered\nat default\.nix:\d+:\d+/),
      syntax: expect.stringMatching(/syntax error.*\nat broken\.nix:2:7/),
      throws: expect.stringMatching(/this attribute throws\nin two lines\nat default\.nix:\d+:\d+/),
      through: expect.stringContaining("behind drvPath"),
    });
    for (const text of Object.values(errors)) expect(text).not.toContain(fixture.nix.directory);
  });

  test("a set that only calls itself a derivation fails alone", async () => {
    const { jobs } = await fixture.evaluate({
      "default.nix": expression(`{
        good = mk "good" "echo > $out" { };
        file = { type = "derivation"; drvPath = "/etc/passwd"; };
        above = { type = "derivation"; drvPath = "/nix/store/../../etc/passwd.drv"; };
        absent = { type = "derivation"; drvPath = "/nix/store/00000000000000000000000000000000-absent.drv"; };
      }`),
    });
    expect(jobs).toEqual({
      good: "good.drv",
      file: "error: its drvPath is no derivation of the store: '/etc/passwd'",
      above: "error: its drvPath is no derivation of the store: '/nix/store/../../etc/passwd.drv'",
      absent:
        "error: its drvPath is not in the store: /nix/store/00000000000000000000000000000000-absent.drv",
    });
  });

  test("an attribute that was asked for by name and is not there is an error that names it", async () => {
    const files = { "default.nix": expression(`{ a = ${drv("a")}; set.b = 1; }`) };
    const { jobs } = await evaluate(files, "a,lost,set,set.b,set.c.d");
    expect(jobs).toEqual({
      a: "a.drv",
      lost: "error: there is no attribute 'lost'",
      set: "error: 'set' is a set and no derivation",
      "set.b": "error: 'set.b' is a int and no derivation",
      "set.c.d": "error: there is no attribute 'set.c.d'",
    });
  });

  test("what lies below an attribute that throws is not called missing", async () => {
    const files = { "default.nix": `{ set = throw "no set"; }` };
    const { jobs } = await evaluate(files, "set.a");
    expect(jobs).toEqual({ set: expect.stringContaining("no set") });
  });

  test("what is excluded is not evaluated", async () => {
    const { jobs } = await evaluate(
      {
        "default.nix": expression(
          `{ set = { a = ${drv("a")}; bad = abort "excluded"; }; throws = throw "x"; }`,
        ),
      },
      "set.#,throws,!set.bad,!throws",
    );
    expect(jobs).toEqual({ "set.a": "a.drv" });
  });
});

describe("a tree that somebody sent", () => {
  test("reads nothing of the machine but its own files", async () => {
    const outside = path.join(fixture.nix.directory, "signing-key");
    await writeFile(outside, "secret");
    const { jobs, messages } = await fixture.evaluate({
      "default.nix": expression(`{
        own = mk (builtins.readFile ./name) "echo > $out" { };
        read = builtins.trace (builtins.readFile ${outside}) (mk "read" "echo > $out" { });
        copied = mk "copied" "echo > $out" { src = ${outside}; };
        fetched = mk "fetched" "echo > $out" { src = builtins.fetchurl "file://${outside}"; };
      }`),
      name: "own",
    });
    expect(jobs).toEqual({
      own: "own.drv",
      read: expect.stringContaining("forbidden in restricted mode"),
      copied: expect.stringContaining("forbidden in restricted mode"),
      fetched: expect.stringContaining("forbidden in restricted mode"),
    });
    expect(JSON.stringify(messages)).not.toContain("secret");
  });
});

describe("evaluations that fail as a whole", () => {
  test("a syntax error names file and position", async () => {
    const error = await failureOf(evaluate({ "default.nix": "{\n  a = ;\n}\n" }));
    expect(error.code).toBe("evaluation_failed");
    expect(error.message).toMatch(/syntax error, unexpected ';'.*\nat default\.nix:2:7$/);
  });

  test("a root that throws", async () => {
    const error = await failureOf(evaluate({ "default.nix": `throw "the root throws"` }));
    expect(error.message).toContain("the root throws");
  });

  test("a function that needs an argument names it", async () => {
    const error = await failureOf(evaluate({ "default.nix": `{ pkgs, x ? 1 }: { }` }));
    expect(error.message).toMatch(/default\.nix is a function.*"pkgs"/);
  });

  test("a root that is no set", async () => {
    const error = await failureOf(evaluate({ "default.nix": `"text"` }));
    expect(error.message).toMatch(/default\.nix gives a string/);
  });

  test("a tree without an expression says what was looked for", async () => {
    const error = await failureOf(evaluate({ README: "nothing" }));
    expect(error.code).toBe("no_expression");
    expect(error.message).toMatch(/default\.nix, release\.nix or ci\.nix/);
  });

  test("a pattern that is none", async () => {
    const error = await failureOf(evaluate({ "default.nix": "{ }" }, "a..b"));
    expect(error.code).toBe("bad_pattern");
  });

  test("an evaluation that takes too long is ended, and what came before is kept", async () => {
    const count = `builtins.foldl' (a: i: builtins.hashString "sha256" (a + toString i)) "" (builtins.genList (i: i) 100000000)`;
    let events = 0;
    const error = await failureOf(
      evaluate({ "default.nix": expression(`{ a = ${drv("a")}; slow = ${count}; }`) }, "*", {
        timeoutMs: 1500,
        onEvent: () => {
          events += 1;
        },
      }),
    );
    expect(error.code).toBe("evaluation_timeout");
    expect(events).toBe(1);
  });

  test("an evaluation can be cancelled", async () => {
    const controller = new AbortController();
    const forever = `builtins.foldl' (a: i: a + i) 0 (builtins.genList (i: i) 1000000000)`;
    const error = await failureOf(
      evaluate({ "default.nix": expression(`{ a = ${drv("a")}; slow = ${forever}; }`) }, "*", {
        signal: controller.signal,
        onEvent: () => controller.abort(),
      }),
    );
    expect(error.code).toBe("evaluation_cancelled");
  });
});

describe("messages", () => {
  test("traces are notices and warnings are warnings", async () => {
    const { messages, jobs } = await evaluate({
      "default.nix": expression(
        `builtins.trace "a trace\\nof two lines" { a = builtins.trace "second" (${drv("a")}); }`,
      ),
    });
    expect(messages).toEqual([
      { level: "Notice", text: "a trace\nof two lines" },
      { level: "Notice", text: "second", attribute: ["a"] },
    ]);
    expect(jobs).toEqual({ a: "a.drv" });
  });

  test("user code can not pass for the walker", async () => {
    const forged = JSON.stringify({ job: ["forged"], drvPath: "/nix/store/x.drv" });
    const { jobs, messages } = await evaluate({
      "default.nix": `builtins.trace ${JSON.stringify(forged)} { }`,
    });
    expect(jobs).toEqual({});
    expect(messages).toEqual([{ level: "Notice", text: forged }]);
  });
});

/** A random tree, as an expression of Nix and as the nodes that the protocol's own selection walks. */
interface Tree {
  nix: string;
  node: AttributeNode;
}

/** Without the attributes of a real one, which `#` would find too. */
const FAKE_DERIVATION = `{ type = "derivation"; drvPath = (derivation { name = "x"; system = "x"; builder = "x"; }).drvPath; }`;

const treeArbitrary: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(leaf("other", "1")),
    fc.constant(leaf("derivation", FAKE_DERIVATION)),
    fc.constant(leaf("derivation", FAKE_DERIVATION)),
    fc
      .record({
        kind: fc.constantFrom("set" as const, "set" as const, "opaque" as const),
        recurse: fc.boolean(),
        children: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("tree"), { maxKeys: 3 }),
      })
      .map(({ kind, recurse, children }) => setOf(kind, recurse, children)),
  ),
})).tree;

function leaf(kind: "other" | "derivation", nix: string): Tree {
  return { nix, node: { kind, children: () => new Map() } };
}

function setOf(
  kind: "set" | "opaque",
  recurse: boolean,
  trees: Readonly<Record<string, Tree>>,
): Tree {
  const children = Object.entries(trees).map(([name, tree]) => [name, tree.node] as const);
  const marks = `${kind === "opaque" ? `_type = "x"; ` : ""}${recurse ? "recurseForDerivations = true; " : ""}`;
  const text = Object.entries(trees).map(([name, tree]) => `${name} = ${tree.nix};`);
  return {
    nix: `{ ${marks}${text.join(" ")} }`,
    node: {
      kind,
      recurseForDerivations: recurse,
      children: () => new Map(children),
    },
  };
}

test("the walker selects what the protocol says that a pattern selects", async () => {
  const segment = fc.constantFrom("a", "b", "c", "*", "#", "**");
  const segments = fc.array(segment, { minLength: 1, maxLength: 4 });
  const patternArbitrary = fc
    .record({
      include: fc.array(segments, { minLength: 1, maxLength: 3 }),
      exclude: fc.array(segments, { maxLength: 1 }),
    })
    .map(({ include, exclude }) =>
      [
        ...include.map((each) => each.join(".")),
        ...exclude.map((each) => `!${each.join(".")}`),
      ].join(","),
    )
    .filter((text) => !/(^|,)!?#(,|$)/.test(text));
  const cases = fc.sample(fc.record({ tree: treeArbitrary, pattern: patternArbitrary }), 40);
  for (const { tree, pattern } of cases) {
    const nix = tree.node.kind === "set" ? tree : setOf("set", false, { a: tree });
    const { jobs } = await evaluate({ "default.nix": expression(nix.nix) }, pattern);
    const parsed = parsePattern(pattern);
    const expected = selectAttributes(parsed, nix.node);
    const found = Object.entries(jobs)
      .filter(([, text]) => !text.startsWith("error: "))
      .map(([name]) => name);
    expect(found.toSorted(), `${pattern} in ${nix.nix}`).toEqual(
      expected.paths.map((each) => each.join(".")).toSorted(),
    );
    const missing = Object.keys(jobs).filter((name) => !found.includes(name));
    // What is named and left out again is not looked at, so it is not missed.
    const expectedMissing = expected.missing.filter((each) => !isExcluded(parsed, each));
    expect(missing.toSorted(), `${pattern} in ${nix.nix}`).toEqual(
      [...new Set(expectedMissing.map((each) => each.join(".")))].toSorted(),
    );
  }
}, 60_000);

test("a clock that is set a day forward ends no evaluation", async () => {
  onTestFinished(() => void vi.restoreAllMocks());
  const { now } = Date;
  const files = {
    "default.nix": expression(`{ a = ${drv("a")}; b = abort "b"; c = ${drv("c")}; }`),
  };
  const { jobs } = await evaluate(files, "*", {
    processes: 1,
    onJob: async () => void vi.spyOn(Date, "now").mockImplementation(() => now() + 86_400_000),
  });
  expect(jobs).toMatchObject({ a: "a.drv", c: "c.drv" });
});
