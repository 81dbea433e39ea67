import { describe, expect, test } from "vitest";
import { isReproducibleText } from "./reproducible.ts";

describe("the text of an expression", () => {
  test.each([
    `{ a = import ./sub/b.nix { inherit (builtins) map; }; }`,
    `derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ ./build.sh ]; }`,
    `# <nixpkgs> would be /nix/store/x\n{ a = 1; }`,
    `{ script = ''\n  #!/bin/sh\n  cp x /tmp/y\n''; path = ../other + "/sub"; ratio = 6 / 2; }`,
    `{ seed }: "\${seed}/busybox"`,
    `with builtins; map (x: x) [ ]`,
    `/* builtins.currentTime */ a: a / b`,
  ])("may be answered from a store: %s", (text) => {
    expect(isReproducibleText(text)).toBe(true);
  });

  test.each([
    `import <nixpkgs> { }`,
    `builtins.currentTime`,
    `__currentTime`,
    `builtins.getEnv "HOME"`,
    `fetchTarball "https://example.org/x.tar.gz"`,
    `builtins.readFile /etc/hostname`,
    `builtins.readFile "/etc/hostname"`,
    `[ /etc/hostname ]`,
    `import (/. + "etc/x.nix")`,
    `import ~/x.nix`,
    `builtins.\${"current" + "Time"}`,
    `let b = builtins; in b`,
    `''\${builtins.readFile /etc/hostname}''`,
  ])("is evaluated each time: %s", (text) => {
    expect(isReproducibleText(text)).toBe(false);
  });

  test.each(["/*", "${", " ", "builtins ", "<a", "''", "''\\", "with "])(
    "is read in a moment, whatever it repeats: %s",
    (piece) => {
      // What is read again for each piece would take hours.
      const text = piece.repeat(1_000_000 / piece.length);
      expect(isReproducibleText(text)).toBeTypeOf("boolean");
    },
  );

  test("may have strings as long as the largest file that is read", () => {
    expect(isReproducibleText(`''${"a".repeat(1024 * 1024)}''`)).toBe(true);
  });
});
