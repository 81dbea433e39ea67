import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { writeProgram } from "../../testing/write-program.ts";
import { EvaluationFixture, failureOf } from "../testing/evaluation-fixture.ts";
import { expression } from "../testing/nix-fixture.ts";

const MEBIBYTE = 1024 ** 2;

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

/** `costly n` takes some milliseconds, and `heavy n` some tens of mebibytes that are never free again. */
const COST = `
  costly = n: mk "costly-\${toString n}" "echo > $out" {
    value = builtins.foldl' (sum: i: sum + i * n) 0 (builtins.genList (i: i) 20000);
  };
  kept = n: let list = builtins.genList (i: { inherit i n; }) 75000; in builtins.seq (builtins.foldl' (a: e: a + e.i) 0 list) list;
  heavy = n: { "heavy-\${toString n}" = mk "heavy-\${toString n}" "echo > $out" { value = builtins.length (builtins.elemAt lists n); }; };
  lists = builtins.genList kept 34;
  numbered = prefix: make: count: builtins.listToAttrs (builtins.genList (n: { name = "\${prefix}\${toString n}"; value = make n; }) count);
`;

/** Takes no memory that grows. */
function hashes(count: number): string {
  return `builtins.foldl' (a: i: builtins.hashString "sha256" (a + toString i)) "" (builtins.genList (i: i) ${count})`;
}

/** Takes longer than any test. */
const ENDLESS = hashes(20_000_000);

function withCost(body: string): string {
  return expression(`let ${COST} in ${body}`);
}

async function serve(
  answer: (response: ServerResponse) => Promise<void>,
): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((_, response) => void answer(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/numbers.nix`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As many attributes as a file of a server says, which is fetched behind something else. */
function fetched(url: string, before: string): string {
  const file = `builtins.fetchurl { url = "${url}"; name = "numbers-${randomUUID()}"; }`;
  const count = `builtins.seq (${before}) (import (${file})).count`;
  return withCost(`numbered "a" (n: mk "a-\${toString n}" "echo > $out" { }) (${count})`);
}

describe("attributes shared by several processes", () => {
  const files = {
    "default.nix": withCost(`{
      a = numbered "a" costly 40 // { bad = throw "bad in a"; worse = abort "worse in a"; };
      b = { recurseForDerivations = true; deep = numbered "d" costly 30; worst = abort "worst in b"; };
      c = numbered "c" costly 40;
      top = costly 1;
      zzz = throw "last";
    }`),
  };

  test.each([
    ["*,b.deep.#", 40 + 2 + 1 + 30 + 40 + 1 + 1],
    ["b.deep.#", 30],
    ["b.*,c.c7", 1 + 30 + 1],
  ])("give what one process gives: %s", async (pattern, count) => {
    const one = await fixture.evaluate(files, pattern, { processes: 1 });
    expect(Object.keys(one.jobs)).toHaveLength(count);
    for (const processes of [2, 3]) {
      const several = await fixture.evaluate(files, pattern, { processes });
      expect(several.jobs).toEqual(one.jobs);
      expect(several.list).toHaveLength(one.list.length);
    }
  });

  test("tell once what comes before the first of them", async () => {
    const set = `numbered "a" (n: builtins.trace "of \${toString n}" (costly n)) 4`;
    const body = `builtins.trace "of the root" (builtins.trace "of the root, too" (${set}))`;
    const { messages } = await fixture.evaluate({ "default.nix": withCost(body) }, "*");
    const texts = messages.map(({ text }) => text).toSorted();
    expect(texts).toEqual(["of 0", "of 1", "of 2", "of 3", "of the root", "of the root, too"]);
  });

  test("wait for the build that all are imported from, however long it takes", async () => {
    const generated = `mk "generated" "sleep 3; echo '{ count = 3; }' > $out" { }`;
    const body = `let inherit (import (${generated})) count; in numbered "a" costly count`;
    const { jobs, messages } = await fixture.evaluate({ "default.nix": withCost(body) }, "*", {
      attributeTimeoutMs: 1000,
    });
    expect(jobs).toEqual({ a0: "costly-0.drv", a1: "costly-1.drv", a2: "costly-2.drv" });
    expect(messages).toEqual([
      { level: "Notice", text: expect.stringContaining("-generated.drv took 3") },
    ]);
  });

  test("have what comes before them fetched once", async () => {
    let requests = 0;
    await using server = await serve(async (response) => {
      requests += 1;
      await sleep(500);
      response.end("{ count = 3; }");
    });
    const { jobs } = await fixture.evaluate({ "default.nix": fetched(server.url, "null") }, "*");
    expect(Object.keys(jobs)).toHaveLength(3);
    expect(requests).toBe(1);
  });

  test("are come to by two at once when it takes long to come to them", async () => {
    const waiting: ServerResponse[] = [];
    await using server = await serve(async (response) => {
      waiting.push(response);
      if (waiting.length === 2) for (const each of waiting) each.end("{ count = 3; }");
    });
    // Much longer than the first is let alone, for us to see it whatever else is done meanwhile.
    const long = `map (_: builtins.stringLength (${hashes(300_000)})) (builtins.genList (i: i) 8)`;
    const { jobs } = await fixture.evaluate(
      { "default.nix": fetched(server.url, `builtins.deepSeq (${long}) null`) },
      "*",
    );
    expect(Object.keys(jobs)).toHaveLength(3);
    expect(waiting).toHaveLength(2);
  });

  test("are evaluated by one process when there is only one of them", async () => {
    const bin = await mkdtemp(path.join(tmpdir(), "gradient-alone-"));
    const wrapper = `#!/bin/sh\necho "$*" >> ${bin}/calls\nPATH=\${PATH#*:} exec nix-instantiate "$@"\n`;
    writeProgram(path.join(bin, "nix-instantiate"), wrapper);
    const PATH = `${bin}:${process.env["PATH"]}`;
    await using counted = await EvaluationFixture.make({ ...process.env, PATH });
    const { jobs } = await counted.evaluate(files, "top", { processes: 3 });
    expect(Object.keys(jobs)).toEqual(["top"]);
    const calls = (await readFile(path.join(bin, "calls"), "utf8")).split("\n");
    expect(calls.filter((line) => line.includes("--strict"))).toHaveLength(1);
    await rm(bin, { recursive: true });
  });

  test.each([
    [`{ loops = ${ENDLESS}; }`, "*", "loops", "its evaluation took longer than 1 s"],
    [`{ packages = abort "no packages"; }`, "packages.x.#", "packages", "no packages"],
    [`{ packages.x = abort "no x"; }`, "packages.x.#", "packages.x", "no x"],
  ])("the way to them fails alone: %s", async (set, pattern, attribute, reason) => {
    const { list } = await fixture.evaluate({ "default.nix": set }, pattern, {
      attributeTimeoutMs: 1000,
    });
    expect(list).toEqual([
      { outcome: "error", attribute: attribute.split("."), error: expect.stringContaining(reason) },
    ]);
  });

  test("a failure of the whole ends all of them", async () => {
    const body = `{ a = numbered "a" costly 60; endless = ${ENDLESS}; }`;
    const endless = { "default.nix": withCost(body) };
    const error = await failureOf(
      fixture.evaluate(endless, "*,a.#", { processes: 3, timeoutMs: 1500 }),
    );
    expect(error.code).toBe("evaluation_timeout");
  });
});

describe("an attribute that never ends", () => {
  test("fails alone, and the others go on", async () => {
    const { jobs } = await fixture.evaluate(
      { "default.nix": withCost(`{ a = costly 1; loops = ${ENDLESS}; z = costly 2; }`) },
      "*",
      { attributeTimeoutMs: 1000, processes: 1 },
    );
    expect(jobs).toEqual({
      a: "costly-1.drv",
      loops: "error: its evaluation took longer than 1 s",
      z: "costly-2.drv",
    });
  });
});

describe("the memory ceiling", () => {
  test("a set that needs several times as much is evaluated below it", async () => {
    const set = `builtins.foldl' (set: n: set // heavy n) { } (builtins.genList (n: n) 34)`;
    const files = { "default.nix": withCost(set) };
    const free = await fixture.evaluate(files, "*", { processes: 1 });
    const bound = await fixture.evaluate(files, "*", {
      processes: 1,
      memoryCeilingBytes: 80 * MEBIBYTE,
    });
    expect(free.usage.memoryPeakBytes).toBeGreaterThan(3 * 80 * MEBIBYTE);
    expect(Object.values(bound.jobs).filter((text) => text.startsWith("error"))).toEqual([]);
    expect(bound.jobs).toEqual(free.jobs);
  }, 60_000);

  test("an attribute that alone needs more says how much it may have", async () => {
    const { jobs } = await fixture.evaluate(
      {
        "default.nix": withCost(
          `{ a = costly 1; eats = builtins.deepSeq (builtins.genList kept 500) 1; z = costly 2; }`,
        ),
      },
      "*",
      { processes: 1, memoryCeilingBytes: 200 * MEBIBYTE },
    );
    expect(jobs).toEqual({
      a: "costly-1.drv",
      eats: "error: its evaluation needs more than 200 MiB of memory",
      z: "costly-2.drv",
    });
  });
});

describe("attributes that throw", () => {
  test("hundreds tell their own messages", async () => {
    const { jobs } = await fixture.evaluate({
      "default.nix": `builtins.listToAttrs (builtins.genList (n: {
        name = "a\${toString n}";
        value = if n == 150 then { type = "derivation"; drvPath = throw "in drvPath"; } else throw "message \${toString n}";
      }) 300)`,
    });
    for (let n = 0; n < 300; n++) {
      const text = n === 150 ? "in drvPath" : `message ${n}`;
      expect(jobs[`a${n}`]).toMatch(new RegExp(`^error: ${text}(\\nat default.nix:\\d+:\\d+)?$`));
    }
  });
});

describe("import from derivation", () => {
  test("its builds are told, and counted as the evaluation's", async () => {
    const { jobs, messages, usage } = await fixture.evaluate({
      "default.nix": expression(`{
        a = import (mk "generated" "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo '{ name }: name' > $out" { }) { name = mk "inner" "echo > $out" { }; };
      }`),
    });
    expect(jobs).toEqual({ a: "inner.drv" });
    expect(messages).toEqual([
      {
        level: "Notice",
        attribute: ["a"],
        text: expect.stringMatching(
          /^import from derivation: the build of \/nix\/store\/\w+-generated\.drv took \d+\.\d s$/,
        ),
      },
    ]);
    expect(usage.cpuUserMs).toBeGreaterThan(100);
  });

  test.runIf(process.getuid?.() === 0)(
    "a build that needs more memory than the evaluation may have fails alone, and says so",
    async () => {
      const { jobs, usage } = await fixture.evaluate(
        {
          "default.nix": expression(`{
            a = mk "a" "echo > $out" { };
            eats = import (mk "eats" "dd if=/dev/zero of=/dev/null bs=600M count=1 || exit 1; echo '{ }' > $out" { });
            z = mk "z" "echo > $out" { };
          }`),
        },
        "*",
        { processes: 1, memoryCeilingBytes: 150 * MEBIBYTE },
      );
      expect(jobs).toEqual({
        a: "a.drv",
        eats: expect.stringMatching(
          /a process was killed for want of memory: an evaluation may have 300 MiB, with the builds that it imports from$/,
        ),
        z: "z.drv",
      });
      expect(usage).toMatchObject({ memoryLimitBytes: 300 * MEBIBYTE, oomKills: 1 });
    },
  );

  test("a build that fails is told with the end of its log", async () => {
    const { jobs } = await fixture.evaluate({
      "default.nix": expression(
        `{ a = import (mk "generated" "echo what went wrong; exit 3" { }); b = mk "b" "echo > $out" { }; }`,
      ),
    });
    expect(jobs).toEqual({
      a: expect.stringMatching(/exit code 3[^]*last lines of the log of .*\nwhat went wrong$/),
      b: "b.drv",
    });
  });

  test("a build that fails is not built again for the next attribute that needs it", async () => {
    const files = {
      "default.nix": expression(`let
          generated = mk "generated" "echo what went wrong; exit 3" { };
          behind = mk "behind" "echo > $out" { input = generated; };
        in { a = import generated; b = import generated; c = import behind; d = import behind; e = mk "e" "echo > $out" { }; }`),
    };
    const { jobs, messages } = await fixture.evaluate(files, "*", { processes: 1 });
    const reason = expect.stringMatching(
      /exit code 3[^]*last lines of the log of .*\nwhat went wrong$/,
    );
    const ofInput = expect.stringMatching(/depend/);
    expect(jobs).toEqual({ a: reason, b: reason, c: ofInput, d: ofInput, e: "e.drv" });
    expect(
      messages.map(({ attribute, text }) => [attribute, text.includes("-generated.drv took")]),
    ).toEqual([
      [["a"], true],
      [["c"], true],
    ]);
  });
});

describe("arguments of a file", () => {
  test("are strings and expressions, as nix-build takes them", async () => {
    await fixture.nix.write({
      "release.nix": `{ name, extra ? { }, ... }: ${expression(
        `{ root = mk name "echo > $out" { inherit (extra) value; }; below = { name, suffix ? "x" }: mk "\${name}-\${suffix}" "echo > $out" { }; }`,
      )}`,
      "extra.nix": `{ value = "from a file"; }`,
    });
    const { jobs } = await fixture.evaluate({}, "root,below", {
      workingDirectory: fixture.nix.tree,
      subject: {
        type: "file",
        file: `${fixture.nix.tree}/release.nix`,
        arguments: [
          { name: "name", kind: "string", text: 'a"b'.replace('"', "-") },
          { name: "extra", kind: "expression", text: "import ./extra.nix" },
        ],
      },
    });
    expect(jobs).toEqual({ root: "a-b.drv", below: "a-b-x.drv" });
  });

  test("one that can not be read is Nix's own error", async () => {
    await fixture.nix.write({ "release.nix": "{ name }: { }" });
    const subject = {
      type: "file" as const,
      file: `${fixture.nix.tree}/release.nix`,
      arguments: [{ name: "name", kind: "expression" as const, text: "1 +" }],
    };
    const error = await failureOf(fixture.evaluate({}, "*", { subject }));
    expect(error.message).toMatch(/^syntax error.*\nin the expression of an argument$/);
  });
});
