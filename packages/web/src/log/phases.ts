import { AnsiReader, type Token } from "./ansi.ts";

/** Lines of a log from one phase's beginning to the next. */
export interface LogPhase {
  /** null before the first phase, and of builders that tell none. */
  readonly name: string | null;
  readonly lines: readonly (readonly Token[])[];
}

/** How builders tell that a phase begins: Nixpkgs today, by Nix's log messages, before 2024, and Guix. */
const BEGINNINGS = [
  /^Running phase: (\w+)$/,
  /^@nix \{"action":"setPhase","phase":"([^"]+)"\}$/,
  /^starting phase [`']([^']+)'$/,
];
const OLD_WORDS = new Set([
  "unpacking sources",
  "patching sources",
  "updateAutotoolsGnuConfigScriptsPhase",
  "configuring",
  "building",
  "running tests",
  "installing",
  "post-installation fixup",
]);

/** Reads a log as it grows. Text comes in pieces of any size; a line is read when its end has come. */
export class LogReader {
  readonly #ansi = new AnsiReader();
  #rest = "";

  /** Phases of the lines that end in this text. The first goes on with the phase before unless `begins`. */
  read(text: string): (LogPhase & { begins: boolean })[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return this.#phases(lines);
  }

  /** What came behind the last line's end. */
  end(): (LogPhase & { begins: boolean })[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : this.#phases([rest]);
  }

  #phases(lines: readonly string[]): (LogPhase & { begins: boolean })[] {
    const phases: { name: string | null; begins: boolean; lines: Token[][] }[] = [];
    for (const line of lines) {
      const tokens = this.#ansi.line(line);
      const plain = tokens.map(({ text }) => text).join("");
      const name = phaseOf(plain);
      if (name !== null) {
        const isMessage = plain.startsWith("@nix ");
        phases.push({ name, begins: true, lines: isMessage ? [] : [tokens] });
        continue;
      }
      if (phases.length === 0) phases.push({ name: null, begins: false, lines: [] });
      phases.at(-1)?.lines.push(tokens);
    }
    return phases;
  }
}

function phaseOf(line: string): string | null {
  if (OLD_WORDS.has(line)) return line;
  for (const beginning of BEGINNINGS) {
    const name = beginning.exec(line)?.[1];
    if (name !== undefined) return name;
  }
  return null;
}

/** The phases of a whole log. */
export function readLog(text: string): LogPhase[] {
  const reader = new LogReader();
  return [...reader.read(text), ...reader.end()].reduce<LogPhase[]>((all, phase) => {
    const before = all.at(-1);
    if (phase.begins || before === undefined) return [...all, phase];
    return [...all.slice(0, -1), { ...before, lines: [...before.lines, ...phase.lines] }];
  }, []);
}
