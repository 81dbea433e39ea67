import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Evaluated, EvaluationFixture } from "../testing/evaluation-fixture.ts";

let fixture: EvaluationFixture;
let salt = 0;

beforeAll(async () => {
  fixture = await EvaluationFixture.make(process.env);
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await fixture.clearTree();
  salt += 1;
});

/** Another tree for each test. `drv name` makes a derivation. */
function tree(body: string): Record<string, string> {
  return {
    "default.nix": `let drv = name: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; salt = ${salt}; }; in ${body}`,
  };
}

function isAnsweredEarlier({ messages }: Evaluated): boolean {
  return messages.some(({ text }) =>
    text.startsWith("answered by the evaluation of the same source"),
  );
}

describe("an evaluation of the same source and pattern", () => {
  test("is answered by the earlier one, and uses no process", async () => {
    const files = tree(
      `{ a = drv "a"; b = builtins.trace "told" (drv "b"); bad = throw "no"; n.c = drv "c"; }`,
    );
    const first = await fixture.evaluate(files, "*,lost");
    const second = await fixture.evaluate({}, "*,lost");
    expect(isAnsweredEarlier(first)).toBe(false);
    expect(isAnsweredEarlier(second)).toBe(true);
    expect(second.list).toEqual(first.list);
    expect(second.messages.slice(1)).toEqual(first.messages);
    expect(second.usage.cpuQuality).toBe("none");
    expect(isAnsweredEarlier(await fixture.evaluate({}, "*"))).toBe(false);
  });

  test("a flake is answered by its lock", async () => {
    const flake = (name: string): Record<string, string> => ({
      "flake.nix": `{ outputs = _: { packages.a = derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; }; }; }`,
    });
    await fixture.evaluate(flake("one"), "packages.#");
    expect(isAnsweredEarlier(await fixture.evaluate(flake("one"), "packages.#"))).toBe(true);
    const changed = await fixture.evaluate(flake("two"), "packages.#");
    expect(changed.jobs).toEqual({ "packages.a": "two.drv" });
  });

  test("is made again when a derivation is gone from the store", async () => {
    const files = tree(`{ a = drv "gone"; }`);
    const { list } = await fixture.evaluate(files);
    const drvPath = list[0]?.outcome === "derivation" ? list[0].drvPath : "";
    await fixture.nix.run("nix-store", ["--delete", drvPath]);
    const again = await fixture.evaluate({});
    expect(isAnsweredEarlier(again)).toBe(false);
    expect((await fixture.store.validPaths([drvPath])).size).toBe(1);
  });

  test.each([
    ["time", `{ a = drv "a-\${toString (builtins.currentTime - builtins.currentTime)}"; }`],
    ["an attribute that ended its process", `{ a = drv "a"; bad = abort "no"; }`],
    ["a search path", `{ a = drv "a"; never = _: <nixpkgs>; }`],
  ])("is made again because of %s", async (_reason, body) => {
    await fixture.evaluate(tree(body));
    expect(isAnsweredEarlier(await fixture.evaluate({}))).toBe(false);
  });

  test("that failed as a whole is made again", async () => {
    await expect(fixture.evaluate(tree(`throw "no"`))).rejects.toThrow("no");
    await expect(fixture.evaluate({})).rejects.toThrow("no");
  });
});
