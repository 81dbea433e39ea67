import { z } from "zod";
import { BadRequestError } from "../errors.ts";

/** Settings of nixbuild.net that whoever starts an evaluation may send. null: the organization's, or what is usual. */
export interface BuildSettings {
  /** What failed before is not built again. */
  readonly reusesFailures: boolean | null;
  /** What took too long before is not built again. */
  readonly reusesTimeouts: boolean | null;
  /** Builds go on when nobody listens any more. */
  readonly keepsRunning: boolean | null;
}

const REUSE_FAILURES = "nixbuildnet-reuse-build-failures";
const REUSE_TIMEOUTS = "nixbuildnet-reuse-build-timeouts";
const KEEP_RUNNING = "nixbuildnet-keep-builds-running";

const flag = z.string().optional();

/** For schemas of requests. */
export const settingHeaders = {
  [REUSE_FAILURES]: flag.meta({ description: "`true`: what failed before is not built again." }),
  [REUSE_TIMEOUTS]: flag.meta({
    description: "`true`: what took too long before is not built again.",
  }),
  [KEEP_RUNNING]: flag.meta({
    description: "`false`: builds end when nobody follows the evaluation any more.",
  }),
} as const;

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Throws BadRequestError. */
export function requestSettings(headers: Headers): BuildSettings {
  return {
    reusesFailures: readFlag(REUSE_FAILURES, headers[REUSE_FAILURES]),
    reusesTimeouts: readFlag(REUSE_TIMEOUTS, headers[REUSE_TIMEOUTS]),
    keepsRunning: readFlag(KEEP_RUNNING, headers[KEEP_RUNNING]),
  };
}

/** As nixbuild.net reads them: `true` and `1`, `false`, `0` and nothing. */
function readFlag(name: string, header: string | readonly string[] | undefined): boolean | null {
  const text = [header ?? []].flat().at(-1)?.trim();
  if (text === undefined) return null;
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0" || text === "") return false;
  throw new BadRequestError(`header ${name}: "${text}" is neither true nor false`);
}
