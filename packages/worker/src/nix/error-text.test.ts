import { describe, expect, test } from "vitest";
import { summarizeError, withGitReason } from "./error-text.ts";

const ROOT = "/nix/store/00000000000000000000000000000000-source";
const summary = (text: string): string => summarizeError(text, [ROOT]);

describe("errors as Nix 2.8 prints them: message first", () => {
  test("a message of several lines, with the frame that is nearest", () => {
    const text = `error: this attribute throws
       in two lines

       … while evaluating the attribute 'throws'

       at ${ROOT}/default.nix:2:3:

            1| {
            2|   throws = throw "this attribute throws\\nin two lines";
             |   ^
            3|   other = 1;`;
    expect(summary(text)).toBe("this attribute throws\nin two lines\nat default.nix:2:3");
  });

  test("a position of its own goes before that of frames", () => {
    const text = `error: attribute 'no' missing

       at ${ROOT}/a.nix:5:13:

            5|   missing = { }.no.such.attribute;
             |             ^

       … while evaluating the attribute 'missing'

       at ${ROOT}/b.nix:5:3:
(use '--show-trace' to show detailed location information)`;
    expect(summary(text)).toBe("attribute 'no' missing\nat a.nix:5:13");
  });

  test("a place inside of Nix is none", () => {
    const text = `error: value is a set while a string was expected

       at //builtin/derivation.nix:9:12:
       … while evaluating the derivation attribute 'name'

       at ${ROOT}/a.nix:1:25:`;
    expect(summary(text)).toBe("value is a set while a string was expected\nat a.nix:1:25");
  });

  test("no position", () => {
    expect(summary("error: stack overflow (possible infinite recursion)")).toBe(
      "stack overflow (possible infinite recursion)",
    );
  });
});

describe("errors as Nix 2.26 and later print them: frames first", () => {
  const FRAMES = `error:
       … while calling the 'seq' builtin
         at «stdin»:1:69:
            1| let walk = ...
             |            ^
            2|

       … while evaluating the attribute 'throws'
         at ${ROOT}/default.nix:2:3:
            1| {
            2|   throws = throw "x";
             |   ^

       … while calling the 'throw' builtin
         at ${ROOT}/default.nix:2:12:
            2|   throws = throw "x";
             |            ^

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)
`;

  test("the place is the last frame's when the error has none", () => {
    expect(summary(`${FRAMES}\n       error: x\n       second line`)).toBe(
      "x\nsecond line\nat default.nix:2:12",
    );
  });

  test("the error's own place goes first", () => {
    const text = `${FRAMES}
       error: infinite recursion encountered
       at ${ROOT}/default.nix:7:23:
            6|   a = 1;
            7|   recursion = let x = x; in x;
             |                       ^`;
    expect(summary(text)).toBe("infinite recursion encountered\nat default.nix:7:23");
  });

  test("a tree that was read where it is has its reference for a name", () => {
    const text = (reference: string): string => `error:
       … while calling the 'throw' builtin
         at «${reference}?ref=refs/heads/main&rev=0123»/sub/a.nix:2:12:
            2|   throws = throw "x";
             |            ^

       error: x`;
    const roots = ["«git+file:///tree»"];
    expect(summarizeError(text("git+file:///tree"), roots)).toBe("x\nat sub/a.nix:2:12");
    expect(summarizeError(text("git+file:///other"), roots)).toBe(
      "x\nat «git+file:///other»/sub/a.nix:2:12",
    );
  });

  test("places inside of Nix and in the walker are none", () => {
    const text = `error:
       … while calling the 'derivationStrict' builtin
         at «nix-internal»/derivation-internal.nix:37:12:
           36|
           37|   strict = derivationStrict drvAttrs;
             |            ^

       error: required attribute 'system' missing`;
    expect(summary(text)).toBe("required attribute 'system' missing");
  });
});

test("an error of the daemon's is one", () => {
  expect(summary("error: error: the disk is full")).toBe("the disk is full");
});

test("git's reasons stand behind an error that tells only that it failed", () => {
  const stderr = `warning: Git tree '/tree' is dirty
git@example.org: Permission denied (publickey).
\u001B[31mfatal: Could not read from remote repository.\u001B[0m

Please make sure you have the correct access rights
and the repository exists.
error: program 'git' failed with exit code 128`;
  expect(withGitReason(summary(stderr), stderr)).toBe(
    `program 'git' failed with exit code 128
git@example.org: Permission denied (publickey).
fatal: Could not read from remote repository.`,
  );
  expect(withGitReason("another error", stderr)).toBe("another error");
});

test("text that is no error is kept", () => {
  expect(summary("something else")).toBe("something else");
});
