import { stripVTControlCharacters } from "node:util";

// eslint-disable-next-line no-control-regex -- they are what has to go
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Text of others, such as a build's log, without what could move the cursor or recolour the terminal. Lines and tabs stay. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(CONTROL, "");
}

/** Cut to a width, with a mark where something is missing. */
export function clipped(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}

/** Colours, or nothing where they are not wanted. */
export interface Palette {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  strong(text: string): string;
}

export const PLAIN: Palette = {
  good: (text) => text,
  bad: (text) => text,
  warn: (text) => text,
  strong: (text) => text,
};

export const COLOURS: Palette = {
  good: (text) => `\u001b[32m${text}\u001b[39m`,
  bad: (text) => `\u001b[31m${text}\u001b[39m`,
  warn: (text) => `\u001b[33m${text}\u001b[39m`,
  strong: (text) => `\u001b[1m${text}\u001b[22m`,
};
