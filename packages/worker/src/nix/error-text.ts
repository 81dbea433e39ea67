import { stripVTControlCharacters } from "node:util";

const MAX_CHARACTERS = 8 * 1024;
const POSITION = /^\s+at (.+:\d+:\d+):?$/;
/** Later versions read a fetched tree where it is, and name it by its reference: `«git+file:///tree?rev=...»/flake.nix`. */
const FILE = /^(\/(?!\/builtin\/)|«[a-z+]+:)/;
const REFERENCE_QUERY = /(«[^»?]*)\?[^»]*(?=»\/)/g;
const FRAME = /^\s+… /;
/** Lines around the position, and hints for people at a terminal. */
const NOISE =
  /^\s+(\d*\||\d+\|.*)|^\s*\((use '--show-trace'|stack trace truncated|\d+ duplicate frames)/;

/** Nix says so each time that another process of Nix holds the store's database for a moment, and waits. It is nothing for whoever builds. */
export function isAboutBusyDatabase(text: string): boolean {
  return /SQLite database '.*' is busy/.test(text);
}

/** In the words of 2.8, 2.26 and 2.34. */
const GIT_FAILED =
  /program 'git' failed with exit code|resolving Git reference|Failed to fetch git repository/;
/** Of what git and ssh write: the reason, and not their advice. */
const GIT_REASON = /^(fatal: |remote: |ssh: |Host key verification failed|\S+: Permission denied)/;
const MAX_GIT_LINES = 5;

/** Of a failure of git Nix tells only that it failed, or what it misses then; git told why on the same stderr. */
export function withGitReason(error: string, stderr: string): string {
  if (!GIT_FAILED.test(error)) return error;
  const reasons = stripVTControlCharacters(stderr)
    .split(/[\r\n]+/)
    .filter((line) => GIT_REASON.test(line));
  return [error, ...reasons.slice(-MAX_GIT_LINES)].join("\n");
}

/**
 * Brings an error of Nix's evaluator, as printed with `--show-trace`, down to its message and the place in the user's files
 * that it is about. Nix 2.8 prints the message first and its frames after; later versions print the frames first.
 * Files below one of the `roots` are named relative to it.
 */
export function summarizeError(text: string, roots: readonly string[]): string {
  const lines = stripVTControlCharacters(text).split("\n");
  const first = lines.findIndex((line) => /^\s*error:/.test(line));
  if (first === -1) return relativeTo(roots, text.trim()).slice(-MAX_CHARACTERS);
  const isMessageFirst = /^\s*error:\s*\S/.test(lines[first] ?? "");
  const at = isMessageFirst
    ? first
    : Math.max(
        first,
        lines.findLastIndex((line) => /^\s+error:/.test(line)),
      );
  const message = messageAt(lines, at);
  const place = placeOf(lines, at, isMessageFirst);
  const summary = place === null ? message : `${message}\nat ${place}`;
  return relativeTo(roots, summary).slice(0, MAX_CHARACTERS);
}

/** Its continuation lines are indented; what follows is a position, a frame, or lines of code. */
function messageAt(lines: readonly string[], at: number): string {
  // A daemon's error is put behind an `error:` of its client's.
  const message = [(lines[at] ?? "").replace(/^(\s*error:)+\s*/, "")];
  for (const line of lines.slice(at + 1)) {
    if (POSITION.test(line) || FRAME.test(line) || NOISE.test(line)) break;
    message.push(line.replace(/^ {7}/, ""));
  }
  return message.join("\n").trim();
}

function placeOf(lines: readonly string[], at: number, isMessageFirst: boolean): string | null {
  const after = positionsIn(lines.slice(at + 1));
  const before = positionsIn(lines.slice(0, at));
  return after[0] ?? (isMessageFirst ? null : (before.at(-1) ?? null));
}

/** Positions in files. Others are in the walker, which comes from stdin, or inside of Nix. */
function positionsIn(lines: readonly string[]): string[] {
  return lines
    .map((line) => POSITION.exec(line)?.[1])
    .filter((position) => position !== undefined)
    .filter((position) => FILE.test(position));
}

function relativeTo(roots: readonly string[], text: string): string {
  const short = text.replaceAll(REFERENCE_QUERY, "$1");
  return roots.reduce((result, root) => result.replaceAll(`${root}/`, ""), short);
}
