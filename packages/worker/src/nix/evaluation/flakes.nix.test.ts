import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { directoryReference } from "./installable.ts";
import { EvaluationFixture, failureOf } from "../testing/evaluation-fixture.ts";

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

/** `drv name` makes a derivation, `outputs` may use it and the inputs. */
function flake(outputs: string, inputs = ""): string {
  return `{
  ${inputs}
  outputs = { self, ... }@inputs: let
    drv = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; source = "\${self}"; };
  in ${outputs};
}`;
}

async function nix(...args: string[]): Promise<string> {
  return fixture.nix.run("nix", ["--extra-experimental-features", "nix-command flakes", ...args]);
}

async function git(...args: string[]): Promise<string> {
  const { tree } = fixture.nix;
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  return fixture.nix.run("git", ["-C", tree, ...identity, ...args]);
}

describe("a tree with a flake.nix", () => {
  test("is evaluated as a flake, also when it has a default.nix", async () => {
    const { jobs } = await fixture.evaluate(
      {
        "flake.nix": flake(
          `{ packages.x86_64-linux = { hello = drv "hello"; other = drv "other"; }; checks.x86_64-linux.test = drv "test"; }`,
        ),
        "default.nix": `throw "not this"`,
      },
      "packages.*,checks.#.#",
    );
    expect(jobs).toEqual({
      "packages.x86_64-linux.hello": "hello.drv",
      "packages.x86_64-linux.other": "other.drv",
      "checks.x86_64-linux.test": "test.drv",
    });
  });

  test("is pure: neither the machine nor the time decides what comes out", async () => {
    const { jobs } = await fixture.evaluate(
      {
        "flake.nix": flake(`{
          packages.system = drv (builtins.currentSystem or "no-system");
          packages.time = drv (if builtins ? currentTime then "time" else "no-time");
          packages.variable = drv "home-\${builtins.getEnv "HOME"}";
          packages.file = drv (builtins.readFile /etc/hostname);
        }`),
      },
      "packages.#",
    );
    expect(jobs).toEqual({
      "packages.system": "no-system.drv",
      "packages.time": "no-time.drv",
      "packages.variable": "home-.drv",
      "packages.file": expect.stringMatching(/error: .*pure eval/),
    });
  });

  test("that throws tells its message, and where", async () => {
    const { jobs } = await fixture.evaluate(
      {
        "flake.nix": flake(
          `{\n packages.bad = throw "no such luck";\n packages.worse = ({ }).x; }`,
        ),
      },
      "packages.#",
    );
    expect(jobs).toEqual({
      "packages.bad": expect.stringMatching(/no such luck\nat flake\.nix:\d+:\d+$/),
      "packages.worse": expect.stringMatching(/attribute 'x' missing\nat flake\.nix:\d+:\d+$/),
    });
  });

  test("uses the inputs that its lock file names", async () => {
    const input = path.join(fixture.nix.directory, "tree", "sub");
    await fixture.nix.write({
      "sub/name": "locked",
      "flake.nix": flake(
        `{ packages.a = drv (builtins.readFile inputs.sub + "/name"); }`,
        `inputs.sub.url = "path:${input}"; inputs.sub.flake = false;`,
      ).replace('inputs.sub + "/name"', '(inputs.sub + "/name")'),
    });
    const unlocked = await failureOf(fixture.evaluate({}, "packages.#"));
    expect(unlocked.code).toBe("bad_flake");
    expect(unlocked.message).toMatch(/'sub'/);
    expect(unlocked.message).toMatch(/run 'nix flake lock' and commit flake\.lock/);
    await nix("flake", "lock", `path:${fixture.nix.tree}`);
    const { jobs } = await fixture.evaluate({}, "packages.#");
    expect(jobs).toEqual({ "packages.a": "locked.drv" });
  });

  test("an input without a scheme is not looked up in a registry", async () => {
    const files = { "flake.nix": flake("{ }", `inputs.nixpkgs.url = "nixpkgs";`) };
    const error = await failureOf(fixture.evaluate(files, "packages.#"));
    expect(error.message).toMatch(/run 'nix flake lock'/);
  });
});

describe("a flake by its reference", () => {
  const files = { "flake.nix": flake(`{ packages.a = drv "a-\${self.rev or "dirty"}"; }`) };

  test("a path", async () => {
    const subject = { type: "flake" as const, reference: `path:${fixture.nix.tree}` };
    const { jobs } = await fixture.evaluate(files, "packages.#", { subject });
    expect(jobs).toEqual({ "packages.a": "a-dirty.drv" });
  });

  test("a git repository at its commit, and with changes that are not committed", async () => {
    await fixture.nix.write(files);
    await git("init", "--quiet");
    await git("add", "flake.nix");
    await git("commit", "--quiet", "--message", "first");
    const commit = (await git("rev-parse", "HEAD")).trim();
    const subject = { type: "flake" as const, reference: `git+file://${fixture.nix.tree}` };
    const clean = await fixture.evaluate({}, "packages.#", { subject });
    expect(clean.jobs).toEqual({ "packages.a": `a-${commit}.drv` });
    const changed = { "flake.nix": files["flake.nix"].replace('"dirty"', '"changed"') };
    const dirty = await fixture.evaluate(changed, "packages.#", {
      subject: { type: "flake", reference: fixture.nix.tree },
    });
    expect(dirty.jobs).toEqual({ "packages.a": "a-changed.drv" });
  });

  test.each(["a b", "a%20b", "a+b", "a#b", "a?b", "é", "[a]^"])(
    "a directory that is called %s, with and without a repository",
    async (name) => {
      const at = path.join(fixture.nix.tree, name);
      await fixture.nix.write({ [`${name}/flake.nix`]: files["flake.nix"] });
      const encoded = directoryReference(at);
      const evaluate = async (reference: string): Promise<Record<string, string>> =>
        (await fixture.evaluate({}, "packages.#", { subject: { type: "flake", reference } })).jobs;
      expect(await evaluate(encoded)).toEqual({ "packages.a": "a-dirty.drv" });
      expect(await evaluate(`path:${encoded}`)).toEqual({ "packages.a": "a-dirty.drv" });
      await git("init", "--quiet");
      await git("add", at);
      await git("commit", "--quiet", "--message", "first");
      const commit = (await git("rev-parse", "HEAD")).trim();
      expect(await evaluate(encoded)).toEqual({ "packages.a": `a-${commit}.drv` });
    },
  );

  test("an attribute that throws tells where in the tree, in a commit and in changed files", async () => {
    const throwing = flake(`{\n packages.bad = throw "no such luck"; }`);
    await fixture.nix.write({ "flake.nix": throwing });
    await git("init", "--quiet");
    await git("add", "flake.nix");
    await git("commit", "--quiet", "--message", "first");
    const subject = { type: "flake" as const, reference: `git+file://${fixture.nix.tree}` };
    const place = expect.stringMatching(/no such luck\nat flake\.nix:\d+:\d+$/);
    expect((await fixture.evaluate({}, "packages.#", { subject })).jobs).toEqual({
      "packages.bad": place,
    });
    const changed = { "flake.nix": `${throwing}\n` };
    expect((await fixture.evaluate(changed, "packages.#", { subject })).jobs).toEqual({
      "packages.bad": place,
    });
  });

  test("in a repository that does not know its flake.nix says what to do", async () => {
    await fixture.nix.write(files);
    await git("init", "--quiet");
    await git("add", "seed");
    await git("commit", "--quiet", "--message", "first");
    const subject = { type: "flake" as const, reference: fixture.nix.tree };
    const error = await failureOf(fixture.evaluate({}, "packages.#", { subject }));
    expect(error.message).toMatch(/git .*add "?flake\.nix/);
  });

  test("that cannot be fetched is an error with git's words", async () => {
    const reference = "git+https://127.0.0.1:1/there-is-none.git?ref=main";
    const subject = { type: "flake" as const, reference };
    const error = await failureOf(fixture.evaluate({}, "packages.#", { subject }));
    expect(error.message).toContain("fatal: unable to access");
  });

  test("that leads nowhere is an error in Nix's words", async () => {
    const subject = { type: "flake" as const, reference: "path:/no/such/place" };
    const error = await failureOf(fixture.evaluate({}, "packages.#", { subject }));
    expect(error.code).toBe("bad_flake");
    expect(error.message).toContain("/no/such/place");
  });
});
