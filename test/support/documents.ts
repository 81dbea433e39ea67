/** Commands of a document, and what they have to print when the document says so. */
export interface DocumentStep {
  /** Line of the file that the block begins on, from 1. */
  line: number;
  /** Text of a `sh` block. */
  commands: string;
  /** Text of the `output` block right behind it; in it `...` stands for any text. */
  output?: string;
}

const FENCE = /^```(\S*)\s*$/;

/** Reads the `sh` blocks of a Markdown document in their order, each with the `output` block that follows it. */
export function stepsOf(markdown: string): DocumentStep[] {
  const steps: DocumentStep[] = [];
  let open: { language: string; line: number; text: string[] } | undefined;
  let last: DocumentStep | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const language = FENCE.exec(line)?.[1];
    if (open === undefined) {
      if (language !== undefined) open = { language, line: index + 1, text: [] };
      else if (line.trim() !== "") last = undefined;
      continue;
    }
    if (language !== "") {
      open.text.push(line);
      continue;
    }
    const text = open.text.join("\n");
    if (open.language === "sh") {
      last = { line: open.line, commands: text };
      steps.push(last);
    } else if (open.language === "output" && last !== undefined) {
      last.output = text;
      last = undefined;
    } else if (open.language === "output") {
      throw new Error(`line ${open.line}: an output block has to follow a sh block directly`);
    }
    open = undefined;
  }
  if (open !== undefined) throw new Error(`line ${open.line}: a block that is never closed`);
  return steps;
}

/** Whether a text is what a document says. `...` stands for any text, blanks at the ends of lines do not count. */
export function isPrinted(expected: string, printed: string): boolean {
  const trimmed = (text: string) => text.replaceAll(/[ \t]+$/gm, "").trim();
  const parts = trimmed(expected)
    .split("...")
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join("[^]*")}$`).test(trimmed(printed));
}
