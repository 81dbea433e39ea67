import { randomBytes } from "node:crypto";
import { type AttributePath, formatAttributePath } from "@gradient/protocol";
import {
  type EvaluationSource,
  argumentOptions,
  nixString,
  withArguments,
} from "./evaluation-source.ts";
import { EvaluatorLines } from "./evaluator-lines.ts";
import { EvaluatorProcess, type EvaluationScope } from "./evaluator-process.ts";
import { INSTANTIATE_OPTIONS } from "./shared-walk.ts";
import { ONE } from "./walker.ts";

const FEATURES = ["--extra-experimental-features", "nix-command flakes"];
const REPL_OPTIONS = ["repl", "--show-trace", "--log-format", "internal-json"];
/** Each costs a process that evaluates the root again. */
const MAX_ASKED_ALONE = 50;

export interface ThrownMessage {
  path: AttributePath;
  /** null when it could not be found out. */
  error: string | null;
}

/**
 * `tryEval` hides the message of a `throw`, so each attribute that threw is evaluated once more, without it. `nix repl` goes on after
 * an error: one process answers hundreds. What it can not answer (Nix 2.8 has no pure one) is asked in processes of their own.
 */
export async function* askThrownMessages(
  scope: EvaluationScope,
  source: EvaluationSource,
  thrown: readonly AttributePath[],
): AsyncGenerator<ThrownMessage, void, undefined> {
  let alone = 0;
  for (let asked = 0; asked < thrown.length;) {
    for await (const answer of askTogether(scope, source, thrown.slice(asked))) {
      const path = thrown[asked] ?? [];
      asked += 1;
      const isAsked = answer === null && alone < MAX_ASKED_ALONE;
      if (isAsked) alone += 1;
      yield { path, error: isAsked ? await askAlone(scope, source, path) : answer };
    }
  }
}

/** What to say of an attribute whose message could not be found out. */
export function unknownMessage(path: AttributePath): string {
  return `it throws an error; nix-instantiate -A '${formatAttributePath(path)}' shows which`;
}

/** Answers in order, as many as one process can give; null where it knows none. */
async function* askTogether(
  scope: EvaluationScope,
  source: EvaluationSource,
  paths: readonly AttributePath[],
): AsyncGenerator<string | null, void, undefined> {
  const nonce = randomBytes(16).toString("hex");
  const lines = new EvaluatorLines(nonce);
  const process = await EvaluatorProcess.start(scope, {
    command: "nix",
    args: [...FEATURES, ...REPL_OPTIONS, ...source.options],
    // It writes down what it was asked.
    variables: { XDG_DATA_HOME: scope.stateDirectory },
  });
  process.give(questions(nonce, source, paths));
  let answered = 0;
  try {
    for await (const line of process.lines(() => lines.isBuilding)) {
      const news = lines.read(line);
      // Traces were told when the attribute was walked.
      if (news?.type !== "walker" || !("answered" in news.event)) continue;
      answered += 1;
      yield textOrNull(lines.describeError(source.names));
      lines.clearError();
    }
    await process.ended();
    // The one that ended it, by a stack overflow for instance, is asked again alone.
    if (answered < paths.length) yield null;
  } finally {
    await process.stop();
  }
}

async function askAlone(
  scope: EvaluationScope,
  source: EvaluationSource,
  path: AttributePath,
): Promise<string | null> {
  const lines = new EvaluatorLines(randomBytes(16).toString("hex"));
  const names = `(builtins.fromJSON ${nixString(JSON.stringify(path))})`;
  const process = await EvaluatorProcess.start(scope, {
    command: "nix-instantiate",
    args: [...INSTANTIATE_OPTIONS, ...source.options, ...argumentOptions(source), "-"],
  });
  process.give(withArguments(source, `(${ONE}) (${source.imported}) given ${names}`));
  try {
    for await (const line of process.lines(() => lines.isBuilding)) lines.read(line);
    await process.ended();
    return textOrNull(lines.describeError(source.names));
  } finally {
    await process.stop();
  }
}

/** One question a line; each is followed by a mark, as an answer that is no error leaves none. */
function questions(
  nonce: string,
  source: EvaluationSource,
  paths: readonly AttributePath[],
): string {
  const given = source.arguments.map(({ name, kind, text }) => {
    const value = kind === "string" ? nixString(text) : `(${text})`;
    return `${name} = ${value};`;
  });
  const one = `(${onLine(ONE)}) (${source.imported}) { ${given.join(" ")} }`;
  // What has to be pure is not evaluated where it would not be.
  const guarded = source.isPure ? `if builtins ? currentSystem then path: null else ${one}` : one;
  const mark = `n: builtins.trace "${nonce} {\\"answered\\":\${toString n}}" null`;
  const lines = paths.flatMap((path, index) => [
    `asked.one (builtins.fromJSON ${nixString(JSON.stringify(path))})`,
    `asked.mark ${index}`,
  ]);
  return [`asked = { one = ${guarded}; mark = ${mark}; }`, ...lines, ""].join("\n");
}

/** The program reads line by line. */
function onLine(text: string): string {
  return text.replaceAll(/^\s*#.*$/gm, "").replaceAll(/\s*\n\s*/g, " ");
}

function textOrNull(text: string): string | null {
  return text === "" ? null : text;
}
