import type { BuildLimits, UsageRecord } from "@gradient/protocol";
import type { NixInstallation } from "../nix/installation.ts";
import type { BuildEnd } from "../ports.ts";

/*
 * What the daemon and the runner say to each other: JSON, one message a line, over a Unix socket. The two may be of
 * different releases: a runner lives as long as what it builds.
 */

/** Changes when a message changes its meaning. A daemon leaves runners with another number alone; they end by themselves. */
export const RUNNER_PROTOCOL = 1;
/** The longest message is a usage record with 300 points of its series. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** What a runner is started with, on its standard input. */
export interface RunnerConfig {
  readonly socket: string;
  /** Where its standard error goes. */
  readonly errors: string;
  /** Directory that tells where its builds write; see `removePlaces`. */
  readonly places: string;
  /** Stands for program, Nix and settings: a daemon gives new builds only to a runner that is as it would start one. */
  readonly fingerprint: string;
  readonly slots: number;
  readonly nix: NixInstallation;
}

export type ToRunner =
  | {
      type: "build";
      name: string;
      drvPath: string;
      /** An earlier release does not tell. */
      inputs?: readonly string[] | null;
      limits: BuildLimits;
      /** Gets `log` and `end.json`. */
      directory: string;
      /** How long the build goes on without a daemon. */
      leaseMs: number;
    }
  /** Builds are to come soon. */
  | { type: "prepare" }
  | { type: "cancel"; name: string }
  /** Answered with what the build has used until now. */
  | { type: "usage"; name: string }
  /** Nothing new comes: the runner goes when its last build has ended. */
  | { type: "retire" }
  /** The runner goes now, with whatever it builds. */
  | { type: "end" };

export type FromRunner =
  | {
      type: "hello";
      protocol: number;
      fingerprint: string;
      builds: { name: string; isStarted: boolean; logBytes: number }[];
    }
  | { type: "started"; name: string }
  /** Nix has built it; `ended` follows with its figures. */
  | { type: "built"; name: string }
  | { type: "log"; name: string; logBytes: number }
  | { type: "usage"; name: string; usage: UsageRecord }
  | {
      type: "ended";
      name: string;
      logBytes: number;
      /** Why some of the log could not be written. */
      logFailure: string | null;
      /** What is missing of it without a word in it. An earlier release does not tell. */
      logLostBytes?: number;
      outcome: KeptEnd;
    };

/** How a build ended, as it is told and as `end.json` keeps it for a daemon that is not there. */
export type KeptEnd =
  | { type: "ended"; end: BuildEnd; usage: UsageRecord }
  | { type: "failed"; message: string };
