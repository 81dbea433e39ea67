import { z } from "zod";
import type { BuildLimits } from "../messages/shared.ts";
import { DerivationError, decodeText, type Derivation } from "./derivation.ts";
import { isFixedOutput } from "./output-paths.ts";

/** What the farm has to know of a derivation to schedule, limit and show it. null: the derivation does not say. */
export interface DerivationFacts {
  readonly system: string;
  /** Sorted. As in Nix, a content-addressed derivation also needs `ca-derivations`. */
  readonly requiredSystemFeatures: readonly string[];
  readonly preferLocalBuild: boolean;
  readonly allowSubstitutes: boolean;
  readonly isFixedOutput: boolean;
  readonly pname: string | null;
  readonly timeoutSeconds: number | null;
  readonly maxSilentSeconds: number | null;
  readonly minCpu: number | null;
  readonly maxCpu: number | null;
  readonly minMemoryMegabytes: number | null;
  readonly maxMemoryMegabytes: number | null;
  /** Whether later evaluations take its failure for theirs, whatever they ask for. */
  readonly reusesFailures: boolean | null;
  /** The same when it took too long. */
  readonly reusesTimeouts: boolean | null;
  /** From `NIXBUILDNET_TAG_<name>`. */
  readonly tags: Readonly<Record<string, string>>;
}

const TAG_PREFIX = "NIXBUILDNET_TAG_";

/**
 * Reads the environment, or `__json` in it when the derivation has structured attributes. A number that is none counts as not said.
 * Throws DerivationError when `__json` is not an object in JSON.
 */
export function readDerivationFacts(derivation: Derivation): DerivationFacts {
  const attributes = readAttributes(derivation);
  const wholeNumber = (name: string): number | null => asWholeNumber(attributes.get(name));
  const tags = [...attributes]
    .filter(([name]) => name.startsWith(TAG_PREFIX) && name !== TAG_PREFIX)
    .map(([name, value]) => [name.slice(TAG_PREFIX.length), asText(value)] as const);
  return {
    system: decodeText(derivation.system),
    requiredSystemFeatures: requiredSystemFeatures(derivation, attributes),
    preferLocalBuild: asBoolean(attributes.get("preferLocalBuild")) ?? false,
    allowSubstitutes: asBoolean(attributes.get("allowSubstitutes")) ?? true,
    isFixedOutput: isFixedOutput(derivation),
    pname: asText(attributes.get("pname")) || null,
    timeoutSeconds: wholeNumber("NIXBUILDNET_TIMEOUT") ?? wholeNumber("timeout"),
    maxSilentSeconds: wholeNumber("NIXBUILDNET_MAX_SILENT_TIME") ?? wholeNumber("maxSilent"),
    minCpu: wholeNumber("NIXBUILDNET_MIN_CPU"),
    maxCpu: wholeNumber("NIXBUILDNET_MAX_CPU"),
    minMemoryMegabytes: wholeNumber("NIXBUILDNET_MIN_MEM"),
    maxMemoryMegabytes: wholeNumber("NIXBUILDNET_MAX_MEM"),
    reusesFailures: asSwitch(attributes.get("NIXBUILDNET_REUSE_BUILD_FAILURES")),
    reusesTimeouts: asSwitch(attributes.get("NIXBUILDNET_REUSE_BUILD_TIMEOUTS")),
    tags: Object.fromEntries(tags),
  };
}

const MEBIBYTE = 2 ** 20;

/**
 * The limits that a derivation sets for its own build. 0 stands for none. A largest amount below the smallest is a
 * contradiction, and the build gets the smallest that it asked for.
 */
export function buildLimitsOf(
  facts: Pick<
    DerivationFacts,
    | "timeoutSeconds"
    | "maxSilentSeconds"
    | "minCpu"
    | "maxCpu"
    | "minMemoryMegabytes"
    | "maxMemoryMegabytes"
  >,
): BuildLimits {
  const memoryMegabytes = largest(facts.minMemoryMegabytes, facts.maxMemoryMegabytes);
  const memoryBytes = memoryMegabytes === null ? null : memoryMegabytes * MEBIBYTE;
  return {
    timeoutSeconds: facts.timeoutSeconds || null,
    maxSilentSeconds: facts.maxSilentSeconds || null,
    cores: largest(facts.minCpu, facts.maxCpu),
    memoryBytes: Number.isSafeInteger(memoryBytes) ? memoryBytes : null,
  };
}

function largest(min: number | null, max: number | null): number | null {
  return max === null || max === 0 ? null : Math.max(min ?? 0, max);
}

/** Values are strings, or anything that JSON has when attributes are structured. */
type Attributes = ReadonlyMap<string, unknown>;

const structuredAttributesSchema = z.record(z.string(), z.unknown());

function readAttributes({ env }: Derivation): Attributes {
  const json = env.get("__json");
  if (json === undefined) {
    return new Map([...env].map(([name, value]) => [decodeText(name), decodeText(value)]));
  }
  try {
    return new Map(Object.entries(structuredAttributesSchema.parse(JSON.parse(decodeText(json)))));
  } catch (error) {
    throw new DerivationError(
      "the structured attributes (__json) of a derivation are no JSON object",
      {
        cause: error,
      },
    );
  }
}

function requiredSystemFeatures(derivation: Derivation, attributes: Attributes): string[] {
  const stated = attributes.get("requiredSystemFeatures");
  const features = Array.isArray(stated) ? stated.map(asText) : asText(stated).split(/\s+/);
  const isContentAddressed = [...derivation.outputs.values()].some(
    ({ hashAlgo, hash }) => hashAlgo !== "" && hash === "",
  );
  if (isContentAddressed) features.push("ca-derivations");
  return [...new Set(features.filter(Boolean))].sort();
}

/** Empty for what has no text of its own. */
function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return "";
}

/** Nix writes `true` as "1" and `false` as "" into the environment (libstore/parsed-derivations.cc, getBoolAttr). */
function asBoolean(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  return typeof value === "string" ? value === "1" : null;
}

/** As nixbuild.net reads its settings: `true` and `1`, `false`, `0` and nothing. What is neither counts as not said. */
function asSwitch(value: unknown): boolean | null {
  if (value === undefined) return null;
  const text = asText(value);
  if (text === "true" || text === "1") return true;
  return text === "false" || text === "0" || text === "" ? false : null;
}

function asWholeNumber(value: unknown): number | null {
  const text = asText(value);
  const number = Number(text);
  return /^[0-9]+$/.test(text) && Number.isSafeInteger(number) ? number : null;
}
