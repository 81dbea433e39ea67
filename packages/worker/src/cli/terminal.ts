import { COLOURS, PLAIN, type Palette } from "../text/terminal-text.ts";

/** Exit code of what somebody ended with Ctrl-C. */
export const INTERRUPTED = 130;

type Environment = Readonly<Record<string, string | undefined>>;

/** Colours on a terminal, unless NO_COLOR says no (https://no-color.org). */
export function paletteFor(stream: NodeJS.WriteStream, environment: Environment): Palette {
  return isTerminal(stream, environment) && (environment["NO_COLOR"] ?? "") === ""
    ? COLOURS
    : PLAIN;
}

/** Whether lines can be drawn over. */
export function isTerminal(stream: NodeJS.WriteStream, environment: Environment): boolean {
  return stream.isTTY && environment["TERM"] !== "dumb";
}
