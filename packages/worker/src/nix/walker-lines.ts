import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { attributePathSchema, type EvaluationMessage } from "@gradient/protocol";

const MAX_MESSAGE_CHARACTERS = 4096;
const MAX_MESSAGES = 500;
/** An error's trace may be endless; its message stands at one of its ends. */
const KEPT_ERROR_LINES = 300;

const eventSchema = z.union([
  z.object({ enter: attributePathSchema }),
  z.object({ job: attributePathSchema, drvPath: z.string() }),
  z.object({ thrown: attributePathSchema }),
  z.object({ other: attributePathSchema, type: z.string() }),
  z.object({ fatal: z.string() }),
  z.object({ end: z.literal(true) }),
]);
export type WalkerEvent = z.infer<typeof eventSchema>;

/**
 * Tells the lines of one evaluator's stderr apart: what the walker says (only it knows the nonce, so no other line can pass
 * for one of its own), traces and warnings of the user's code, and Nix's error at the end.
 */
export class WalkerLines {
  readonly #prefix: string;
  readonly #errorHead: string[] = [];
  readonly #errorTail: string[] = [];
  #isInError = false;
  #messages = 0;
  /** A message whose next lines may follow: only its first line has a mark. */
  #open: EvaluationMessage | null = null;

  constructor(nonce: string) {
    this.#prefix = `trace: ${nonce} `;
  }

  /** Text of the last error, with its trace. */
  get errorText(): string {
    return [...this.#errorHead, ...this.#errorTail].join("\n");
  }

  /** What a line says; `messages` are complete ones from lines before it. */
  read(line: string): { event: WalkerEvent | null; messages: EvaluationMessage[] } {
    if (line.startsWith(this.#prefix)) {
      this.#isInError = false;
      const event = parseEvent(line.slice(this.#prefix.length));
      return { event, messages: this.flush() };
    }
    const text = stripVTControlCharacters(line);
    const started = messageOf(text);
    if (started !== null) {
      const messages = this.flush();
      this.#isInError = false;
      this.#open = started;
      return { event: null, messages };
    }
    if (text.startsWith("error:")) {
      const messages = this.flush();
      this.#startError();
      this.#keepError(text);
      return { event: null, messages };
    }
    if (this.#isInError) this.#keepError(text);
    else this.#continueMessage(text);
    return { event: null, messages: [] };
  }

  /** The message that was open, as no more lines of it can come. */
  flush(): EvaluationMessage[] {
    const message = this.#open;
    this.#open = null;
    if (message === null) return [];
    this.#messages += 1;
    if (this.#messages > MAX_MESSAGES) return [];
    if (this.#messages < MAX_MESSAGES) return [message];
    return [{ level: "Warning", text: `more than ${MAX_MESSAGES} messages: the rest is left out` }];
  }

  #continueMessage(text: string): void {
    if (this.#open === null || this.#open.text.length > MAX_MESSAGE_CHARACTERS) return;
    this.#open.text = `${this.#open.text}\n${text}`.slice(0, MAX_MESSAGE_CHARACTERS);
  }

  #startError(): void {
    this.#isInError = true;
    this.#errorHead.length = 0;
    this.#errorTail.length = 0;
  }

  #keepError(line: string): void {
    if (this.#errorHead.length < KEPT_ERROR_LINES) {
      this.#errorHead.push(line);
      return;
    }
    this.#errorTail.push(line);
    if (this.#errorTail.length > 2 * KEPT_ERROR_LINES) this.#errorTail.splice(0, KEPT_ERROR_LINES);
  }
}

function messageOf(text: string): EvaluationMessage | null {
  const match = /^(trace|warning|evaluation warning): ?(.*)$/s.exec(text);
  if (match === null) return null;
  const [, kind, rest = ""] = match;
  const level = kind === "trace" ? "Notice" : "Warning";
  return { level, text: rest.slice(0, MAX_MESSAGE_CHARACTERS) };
}

function parseEvent(text: string): WalkerEvent | null {
  try {
    return eventSchema.parse(JSON.parse(text));
  } catch {
    // Longer than a line may be: only a name of megabytes does that.
    return null;
  }
}
