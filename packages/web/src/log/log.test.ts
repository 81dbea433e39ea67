import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnsiReader } from "./ansi.ts";
import { LogReader, readLog } from "./phases.ts";

const ESC = "\u001b";
const plain = (text: string) =>
  new AnsiReader()
    .line(text)
    .map((token) => token.text)
    .join("");

describe("colours", () => {
  test("are named by classes, and what is switched on holds for the next line", () => {
    const reader = new AnsiReader();
    expect(reader.line(`a${ESC}[1;31mred`)).toEqual([
      { text: "a", look: "" },
      { text: "red", look: "ansi-bold ansi-fg-1" },
    ]);
    expect(reader.line(`still${ESC}[0m plain`)).toEqual([
      { text: "still", look: "ansi-bold ansi-fg-1" },
      { text: " plain", look: "" },
    ]);
  });

  test("of larger palettes become the nearest of sixteen", () => {
    const look = (codes: string) => new AnsiReader().line(`${ESC}[${codes}mx`)[0]?.look;
    expect(look("38;5;196")).toBe("ansi-fg-9");
    expect(look("38;5;3")).toBe("ansi-fg-3");
    expect(look("38;2;10;160;20")).toBe("ansi-fg-2");
    expect(look("48;5;240")).toBe("ansi-bg-8");
    expect(look("38;5;21;4")).toBe("ansi-underlined ansi-fg-12");
  });

  test("end with what ends them", () => {
    const reader = new AnsiReader();
    reader.line(`${ESC}[1;4;33;44m`);
    expect(reader.line(`${ESC}[22;24mx`)[0]?.look).toBe("ansi-fg-3 ansi-bg-4");
    expect(reader.line(`${ESC}[39;49mx`)[0]?.look).toBe("");
  });

  test("and other sequences leave nothing of themselves", () => {
    const link = `${ESC}]8;;https://x.example\u0007link${ESC}]8;;${ESC}\\`;
    expect(plain(`${link} ${ESC}[2K${ESC}[1Gdone${ESC}(B\u0008\u0000`)).toBe("link done");
    expect(plain("10%\r50%\r100%")).toBe("100%");
    expect(plain("windows\r")).toBe("windows");
    expect(plain("a\tb")).toBe("a\tb");
  });
});

describe("phases", () => {
  const log = [
    "before",
    "Running phase: buildPhase",
    "cc",
    '@nix {"action":"setPhase","phase":"installPhase"}',
    "cp",
    "starting phase `check'",
    "end",
  ].join("\n");

  test("begin where builders say so", () => {
    const phases = readLog(log).map(({ name, lines }) => [
      name,
      lines.map((line) => line.map(({ text }) => text).join("")),
    ]);
    expect(phases).toEqual([
      [null, ["before"]],
      ["buildPhase", ["Running phase: buildPhase", "cc"]],
      ["installPhase", ["cp"]],
      ["check", ["starting phase `check'", "end"]],
    ]);
  });

  test("are the same whatever pieces the log comes in", () => {
    const whole = readLog(log);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: log.length })), (cuts) => {
        const reader = new LogReader();
        const borders = [0, ...cuts.toSorted((a, b) => a - b), log.length];
        const pieces = borders.slice(1).map((end, at) => log.slice(borders[at], end));
        const read = [...pieces.flatMap((piece) => reader.read(piece)), ...reader.end()];
        const lines = read.flatMap((phase) => phase.lines);
        expect(lines).toEqual(whole.flatMap((phase) => phase.lines));
        expect(read.filter(({ begins }) => begins).map(({ name }) => name)).toEqual([
          "buildPhase",
          "installPhase",
          "check",
        ]);
      }),
    );
  });

  test("of a log of 200,000 lines are read at once", () => {
    const phases = readLog("Running phase: a\n" + "x\n".repeat(200_000));
    expect(phases[0]?.lines.length).toBe(200_001);
  });
});
