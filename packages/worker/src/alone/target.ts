import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type AttributePath, AttributePathError } from "@gradient/protocol";
import { UserError } from "../errors.ts";
import {
  type Installable,
  directoryReference,
  parseInstallable,
} from "../nix/evaluation/installable.ts";
import type { EvaluationArgument, EvaluationSubject } from "../ports.ts";

/** Where a directory has its classic expression; the first that is there. */
const EXPRESSION_FILES = ["default.nix", "release.nix", "ci.nix"];
/** `git+file:...`, `path:...`, `github:...`: how references of flakes begin. */
const FLAKE_REFERENCE = /^[a-z][a-z0-9+.-]*:/i;

/** What Nix looks for in NIX_PATH. */
const SEARCHED = /^<(.+)>$/;

/** What a command works on. */
export interface Target {
  /** As it was given. */
  readonly text: string;
  readonly subject: EvaluationSubject;
  /** Names behind the `#` of a flake. */
  readonly attribute: AttributePath;
}

/**
 * A flake has a `#` or is a reference with a scheme. Everything else is a path: a file of Nix, or a directory with an expression or a
 * flake. Throws UserError for what is neither.
 */
export function parseTarget(
  text: string,
  options: { directory: string; arguments: readonly EvaluationArgument[] },
): Target {
  if (text.includes("#") || FLAKE_REFERENCE.test(text)) {
    return flake(text, readInstallable(text, options.directory), options);
  }
  const [, searched] = SEARCHED.exec(text) ?? [];
  if (searched !== undefined) {
    const command = `nix-instantiate --find-file ${searched}`;
    throw new UserError("no-target", `${text} is no path: give the path that '${command}' prints`);
  }
  const at = resolve(options.directory, text);
  if (!existsSync(at)) throw new UserError("no-target", `${text} does not exist`);
  if (!statSync(at).isDirectory()) return file(text, at, options);
  const name = EXPRESSION_FILES.find((each) => existsSync(join(at, each)));
  if (name !== undefined) return file(text, join(at, name), options);
  if (existsSync(join(at, "flake.nix"))) {
    return flake(text, { reference: directoryReference(at), attribute: [] }, options);
  }
  throw new UserError(
    "no-target",
    `${text} has no ${EXPRESSION_FILES.join(", ")} or flake.nix: there is nothing to do`,
  );
}

function file(
  text: string,
  at: string,
  options: { arguments: readonly EvaluationArgument[] },
): Target {
  return {
    text,
    subject: { type: "file", file: at, arguments: options.arguments },
    attribute: [],
  };
}

function flake(
  text: string,
  { reference, attribute }: Installable,
  options: { arguments: readonly EvaluationArgument[] },
): Target {
  if (options.arguments.length > 0) {
    throw new UserError("flake-arguments", `${text} is a flake, which takes no --arg or --argstr`);
  }
  return { text, subject: { type: "flake", reference }, attribute };
}

function readInstallable(text: string, directory: string): Installable {
  try {
    return parseInstallable(text, directory);
  } catch (cause) {
    if (!(cause instanceof AttributePathError)) throw cause;
    throw new UserError("bad-attribute", `${text}: ${cause.message}`, { cause });
  }
}
