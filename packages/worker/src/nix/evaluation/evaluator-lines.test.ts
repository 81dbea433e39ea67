import { describe, expect, test } from "vitest";
import { EvaluatorLines } from "./evaluator-lines.ts";

const message = (level: number, msg: string): string =>
  `@nix ${JSON.stringify({ action: "msg", level, msg })}`;

describe("lines of an evaluator", () => {
  test("what the walker says is told by its nonce", () => {
    const lines = new EvaluatorLines("nonce");
    expect(lines.read(message(0, 'trace: nonce {"enter":["a","b.c"]}'))).toEqual({
      type: "walker",
      event: { enter: ["a", "b.c"] },
    });
    expect(lines.read(message(0, 'trace: other {"enter":["a"]}'))?.type).toBe("message");
    expect(lines.read('trace: nonce {"enter":["a"]}')).toBeNull();
    expect(lines.read(message(0, "trace: nonce {"))).toBeNull();
  });

  test("traces and warnings name the attribute that was entered last, and are bounded", () => {
    const lines = new EvaluatorLines("nonce");
    expect(lines.read(message(0, "trace: of\ntwo lines"))).toEqual({
      type: "message",
      message: { level: "Notice", text: "of\ntwo lines" },
    });
    lines.read(message(0, 'trace: nonce {"enter":["a"]}'));
    const warning = message(1, `\u001B[35;1mevaluation warning:\u001B[0m ${"x".repeat(9000)}`);
    expect(lines.read(warning)).toEqual({
      type: "message",
      message: { level: "Warning", text: "x".repeat(4096), attribute: ["a"] },
    });
    expect(lines.read(message(3, "building"))).toBeNull();
  });

  test("what git wrote past the log stands behind the error that it failed", () => {
    const lines = new EvaluatorLines("nonce");
    lines.read("fatal: repository '/nowhere' does not exist");
    lines.read(message(0, "error: program 'git' failed with exit code 128"));
    expect(lines.describeError([])).toBe(
      "program 'git' failed with exit code 128\nfatal: repository '/nowhere' does not exist",
    );
  });

  test("the last error counts, and what ended the program without one", () => {
    const lines = new EvaluatorLines("nonce");
    lines.read(message(0, "error: an early one"));
    lines.read(message(0, "\u001B[31;1merror:\u001B[0m the late one"));
    lines.read(message(0, "(use '--show-trace' to show detailed location information)"));
    expect(lines.describeError([])).toBe("the late one");
    lines.read(message(0, 'trace: nonce {"enter":["a"]}'));
    lines.read("GC Warning: Repeated allocation of very large block");
    lines.read("error: stack overflow (possible infinite recursion)");
    expect(lines.describeError([])).toBe("stack overflow (possible infinite recursion)");
  });

  test("an error that names a build is followed by the end of its log", () => {
    const lines = new EvaluatorLines("nonce");
    const log = (line: object): ReturnType<EvaluatorLines["read"]> =>
      lines.read(`@nix ${JSON.stringify(line)}`);
    log({ action: "start", id: 7, type: 105, fields: ["/nix/store/x.drv"], level: 3, text: "" });
    expect(lines.isBuilding).toBe(true);
    for (let n = 0; n < 50; n++) log({ action: "result", id: 7, type: 101, fields: [`line ${n}`] });
    expect(log({ action: "stop", id: 7 })?.type).toBe("build");
    expect(lines.isBuilding).toBe(false);
    lines.read(message(0, "error: builder for '/nix/store/x.drv' failed"));
    const text = lines.describeError([]);
    expect(text).toMatch(/failed\nlast lines of the log of \/nix\/store\/x\.drv:\nline 30\n/);
    expect(text.endsWith("line 49")).toBe(true);
  });
});
