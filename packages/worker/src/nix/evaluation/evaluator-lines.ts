import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import {
  attributePathSchema,
  type AttributePath,
  type EvaluationMessage,
} from "@gradient/protocol";
import { isAboutBusyDatabase, summarizeError, withGitReason } from "../error-text.ts";
import { TailBuffer } from "../../process/tail-buffer.ts";
import { BuildLogs, ImportedBuilds } from "./imported-builds.ts";

const MAX_MESSAGE_CHARACTERS = 4096;
/** Of what the program writes past its log format: how it tells that it crashed. */
const RAW_TAIL_BYTES = 8 * 1024;
/** In Nix's words: error, warning. */
const LEVEL_ERROR = 0;
const LEVEL_WARNING = 1;

const walkerEventSchema = z.union([
  z.object({ begin: z.literal(true) }),
  z.object({ enter: attributePathSchema }),
  z.object({ pass: attributePathSchema }),
  z.object({
    job: attributePathSchema,
    drvPath: z.string(),
    outputName: z.string().optional(),
  }),
  z.object({ thrown: attributePathSchema }),
  z.object({ other: attributePathSchema, type: z.string() }),
  z.object({ list: attributePathSchema, names: z.array(z.string()) }),
  z.object({ fatal: z.string() }),
  z.object({ end: z.literal(true) }),
  /** Of the questions after the walk: this one has been answered. */
  z.object({ answered: z.int() }),
]);
export type WalkerEvent = z.infer<typeof walkerEventSchema>;

const logLineSchema = z.object({
  action: z.enum(["msg", "start", "stop", "result", "setPhase"]),
  level: z.int().optional(),
  msg: z.string().optional(),
  id: z.int().optional(),
  type: z.int().optional(),
  fields: z.array(z.unknown()).optional(),
});
export type LogLine = z.infer<typeof logLineSchema>;

/** What one line of an evaluator's stderr says. */
export type EvaluatorNews =
  | { type: "walker"; event: WalkerEvent }
  /** `build`: of a build that evaluation waited for. */
  | { type: "message" | "build"; message: EvaluationMessage };

/**
 * Reads the stderr of a program of Nix that logs as internal JSON: what the walker says (only it knows the nonce, so no other line
 * can pass for one of its own), traces and warnings of the user's code, builds that evaluation waits for, and Nix's error at the end.
 */
export class EvaluatorLines {
  readonly #prefix: string;
  readonly #raw = new TailBuffer(RAW_TAIL_BYTES);
  readonly #logs: BuildLogs;
  readonly #builds: ImportedBuilds;
  readonly #activities = new Set<number>();
  #hasBegun = false;
  #attribute: AttributePath | null = null;
  #error = "";

  constructor(nonce: string, logs = new BuildLogs()) {
    this.#prefix = `trace: ${nonce} `;
    this.#logs = logs;
    this.#builds = new ImportedBuilds(logs);
  }

  /** Evaluation waits for a build of its own. */
  get isBuilding(): boolean {
    return this.#builds.areRunning;
  }

  /** It evaluates what the user wrote, and waits for nothing meanwhile: Nix fetches, copies and builds nothing for it. */
  get isComputing(): boolean {
    return this.#hasBegun && this.#activities.size === 0;
  }

  /** Nix's last error, trimmed, with its position, and what failed builds that it names wrote; empty when there is none. */
  describeError(roots: readonly string[]): string {
    const raw = stripVTControlCharacters(this.#raw.text())
      .split("\n")
      .filter((line) => !line.startsWith("GC Warning"))
      .join("\n");
    const text = this.#error === "" ? raw.trim() : this.#error;
    if (text === "") return "";
    const error = withGitReason(summarizeError(text, roots), raw);
    return [error, ...this.#logs.logsFor(text)].join("\n");
  }

  /** null for a line that tells nothing yet. */
  read(line: string): EvaluatorNews | null {
    const log = parseLog(line);
    if (log === null) {
      this.#raw.push(Buffer.from(`${line}\n`));
      return null;
    }
    if (log.action !== "msg") {
      if (log.action === "start") this.#activities.add(log.id ?? 0);
      if (log.action === "stop") this.#activities.delete(log.id ?? 0);
      const text = this.#builds.read(log);
      return text === null ? null : { ...this.#message("Notice", text), type: "build" };
    }
    const { msg = "", level = LEVEL_WARNING } = log;
    if (msg.startsWith(this.#prefix)) return this.#readWalker(msg.slice(this.#prefix.length));
    const text = stripVTControlCharacters(msg);
    if (text.startsWith("trace: ")) return this.#message("Notice", text.slice("trace: ".length));
    if (level === LEVEL_ERROR && text.startsWith("error:")) {
      this.#error = text;
      return null;
    }
    if (level !== LEVEL_WARNING) return null;
    // Of a store that several processes write to; each tries again.
    if (isAboutBusyDatabase(text)) return null;
    return this.#message("Warning", text.replace(/^(evaluation )?warning: ?/, ""));
  }

  #readWalker(text: string): EvaluatorNews | null {
    const event = parseEvent(text);
    if (event === null) return null;
    if ("begin" in event) this.#hasBegun = true;
    if ("enter" in event) this.#attribute = event.enter;
    if ("pass" in event) this.#attribute = event.pass;
    // A new attribute, and so the error before it was one that did not end the program.
    if (!("answered" in event)) this.#error = "";
    return { type: "walker", event };
  }

  #message(
    level: EvaluationMessage["level"],
    text: string,
  ): { type: "message"; message: EvaluationMessage } {
    const attribute = this.#attribute === null ? {} : { attribute: [...this.#attribute] };
    return {
      type: "message",
      message: { level, text: text.slice(0, MAX_MESSAGE_CHARACTERS), ...attribute },
    };
  }

  /** Forgets the error: the next one answers another question. */
  clearError(): void {
    this.#error = "";
  }
}

const LOG_PREFIX = "@nix ";

function parseLog(line: string): LogLine | null {
  if (!line.startsWith(LOG_PREFIX)) return null;
  try {
    const log: unknown = JSON.parse(line.slice(LOG_PREFIX.length));
    return isMessage(log) ? log : logLineSchema.parse(log);
  } catch {
    // Cut because it was too long, or of a later Nix.
    return null;
  }
}

function parseEvent(text: string): WalkerEvent | null {
  try {
    const event: unknown = JSON.parse(text);
    return isEnter(event) || isJob(event) ? event : walkerEventSchema.parse(event);
  } catch {
    return null;
  }
}

/** Nearly all lines are messages that enter an attribute or name its job: a schema would take several times as long as all else. */
function isMessage(log: unknown): log is LogLine {
  if (!isRecord(log) || log["action"] !== "msg") return false;
  return typeof log["msg"] === "string" && Number.isInteger(log["level"]);
}

function isEnter(event: unknown): event is Extract<WalkerEvent, { enter: unknown }> {
  return isRecord(event) && isPath(event["enter"]);
}

function isJob(event: unknown): event is Extract<WalkerEvent, { job: unknown }> {
  return isRecord(event) && isPath(event["job"]) && typeof event["drvPath"] === "string";
}

function isPath(value: unknown): value is AttributePath {
  return (
    Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string")
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
