import type {
  BuildLimits,
  EvaluatedJob,
  EvaluationMessage,
  InputOverride,
  PathFacts,
  UsageQuality,
  UsageRecord,
} from "@gradient/protocol";

/** What the worker's jobs need from Nix and from the kernel. */

/** What takes a while before its first work is done. */
export interface Preparable {
  /** There will be work soon: begins with what that would wait for. Does nothing when it is ready; what fails is told by the work. */
  prepare(): void;
}

/** Questions to, and imports into, the local store: one long-lived `nix-daemon --stdio` child, fractions of a millisecond each. */
export interface NixStore extends Preparable, AsyncDisposable {
  /** Where the bytes of a store path lie; differs from the path when the store has another root. */
  physicalPath(path: string): string;
  /** The given paths that are valid. */
  validPaths(paths: readonly string[]): Promise<Set<string>>;
  /** Facts of a valid path with the signatures that the store has, or null when it is not valid. */
  pathFacts(path: string): Promise<PathFacts | null>;
  /** Paths of a valid derivation's outputs by name; without those that are known only after it is built, and it is not. */
  outputPaths(drvPath: string): Promise<Map<string, string>>;
  /** Imports a path whose references are valid. Nix checks hash and size. `nar` is the uncompressed archive. */
  addPath(facts: PathFacts, nar: AsyncIterable<Uint8Array>): Promise<void>;
  /** Adds a directory tree under the name, addressed by its content (recursive sha256), and resolves to its store path. */
  addTree(directory: string, name: string): Promise<string>;
  /** Keeps the paths from being collected until `removeRoots` of the same owner. */
  addRoots(owner: string, paths: readonly string[]): Promise<void>;
  removeRoots(owner: string): Promise<void>;
  /** Makes a symlink outside the store keep its target, for as long as it is there. */
  addIndirectRoot(link: string): Promise<void>;
  /** Owners that have roots, also from before this process: what no journal knows can be removed. */
  rootOwners(): Promise<string[]>;
}

/** How one build ended, as Nix and the kernel tell it. `outcome.ts` turns it into an outcome. */
export interface BuildEnd {
  /** Status number of the daemon protocol's BuildResult; null when Nix answered with an error instead. */
  status: number | null;
  /** Nix's own words, trimmed and without colour; null when built. */
  message: string | null;
  /** Milliseconds since the epoch, and the microseconds behind them (0 to 999). */
  startedAt: number;
  startedUs: number;
  stoppedAt: number;
  stoppedUs: number;
  /** Set when the build was ended by us: cancelled, or still running well after its time limit. `loss`: Nix's process was gone. */
  endedBy: "cancel" | "deadline" | "loss" | null;
}

/** Executes builds, one at a time, through a `nix-daemon --stdio` child of its own that is in the meter's group while it builds. */
export interface BuildSlot extends AsyncDisposable {
  /** The child; null when there is none. */
  readonly pid: number | null;
  /**
   * Gets the child ready in the meter's group, so that the next `build` with this meter starts at once; it also stays there
   * afterwards. Without it the child enters for the build alone.
   */
  enter(meter: UsageMeter): Promise<void>;
  build(request: {
    drvPath: string;
    /** As in BuildRequest. */
    inputs: readonly string[] | null;
    limits: BuildLimits;
    meter: UsageMeter;
    /** Gets the build's output as it comes, decoded as UTF-8 with replacement characters, whole lines. */
    onLog: (text: string) => void;
    /** Ends the build: Nix is asked first, and after a second its processes are killed. Nix has more time to remove what they left. */
    signal: AbortSignal;
  }): Promise<BuildEnd>;
}

/** What is known of a running build. */
export interface LiveUsage {
  /** What was used until now. It may be another process that measures. */
  current(): UsageRecord | Promise<UsageRecord>;
}

export interface BuildRequest {
  /** Unique among the builds of this machine. */
  name: string;
  drvPath: string;
  /** All that the build needs, its sources and the outputs of its inputs, all of it valid. null where that is not known; then Nix looks for it. */
  inputs: readonly string[] | null;
  limits: BuildLimits;
  /** Called when the build has a slot. */
  onStart: (live: LiveUsage) => void;
  /** Called when Nix has built it, while its last figures are still read; not when an earlier process was told. */
  onBuilt?: () => void;
  /** Gets the build's output as it comes, decoded as UTF-8 with replacement characters, whole lines. */
  onLog: (text: string) => void;
  /** Ends the build: its processes are gone within a second, and then Nix removes what they left. */
  signal: AbortSignal;
  /** Needed where builds outlive this process. */
  keep?: BuildKeep;
}

/** Where a build that outlives this process leaves what becomes of it. */
export interface BuildKeep {
  /** Of this build alone. The builder appends to `log` in it, in place of `onLog`, and leaves its end in `end.json`. */
  readonly directory: string;
  /** How long the build goes on without this process. */
  readonly leaseMs: number;
  /** So many bytes of the log can be read. */
  readonly onLogGrew: (logBytes: number) => void;
  /** Some of the log could not be written, of which so many bytes are missing without a word in it. Comes before the end. */
  readonly onLogLost: (bytes: number, reason: string) => void;
}

/** Executes and measures builds, as many at the same time as it has slots. */
export interface Builder extends AsyncDisposable {
  /** Waits for a slot and builds exactly this derivation, whose inputs are valid. Rejects with the signal's reason when that fires while it waits. */
  build(request: BuildRequest): Promise<{ end: BuildEnd; usage: UsageRecord }>;
}

/** A builder whose builds go on when this process ends, however it does. */
export interface LastingBuilder extends Builder, Preparable {
  /** Whether an earlier process left this build: it runs, waits, or has ended. `build` with the same name goes on with it. */
  has(build: { name: string; directory: string }): Promise<boolean>;
  /** Ends builds of earlier processes that nobody asked for. */
  endUnclaimed(): void;
  /** Ends a build of an earlier process after all; does nothing when `build` went on with it. */
  disown(name: string): void;
  /** Lets every build go on without us. Those who wait for one are told that nothing more will be heard of it. */
  leave(): void;
}

export interface MeterLimits {
  readonly memoryBytes: number | null;
  readonly cores: number | null;
  /** Parts of the attempt are to have limits of their own, see `makePart`. */
  readonly hasParts?: boolean;
}

/** Holds one process of an attempt, and what it starts, to a memory limit of its own. */
export interface BoundedPart {
  /** Command line prefix that makes a new process enter before it runs. */
  readonly enter: readonly string[];
  /** How many of its processes the kernel has killed at the limit; they are not counted as the attempt's. */
  oomKills(): number;
  /** For when its processes have ended. */
  remove(): Promise<void>;
}

/** Measures one attempt. Made before the work starts, closed after it ended. */
export interface UsageMeter {
  /**
   * Moves a process, and so everything it starts from now on, into the group. One that only its owner or root may move (the
   * Nix daemon's) is looked at from outside instead.
   */
  add(pid: number): Promise<void>;
  /** Whether what was added is in a control group of ours. */
  readonly isGroup: boolean;
  /** Moves a process back out: what it and its later children use is not this attempt's. */
  remove(pid: number): Promise<void>;
  /** Command line prefix that makes a new process enter the group before it runs; empty where there are no groups. */
  readonly enter: readonly string[];
  /** null where the kernel holds no such limit, or none was asked for at the start. */
  makePart(memoryBytes: number): BoundedPart | null;
  /** From now on also looks at what the build among these processes holds on disk. */
  watchStorage(): void;
  /** What was used until now. */
  current(): UsageRecord;
  /**
   * The attempt of a meter that was started without limits begins: what was used before is not its, and these limits hold. False
   * when this group has no place for them and another one would.
   */
  begin(limits: MeterLimits): boolean;
  /** Ends every process in the group but these. */
  kill(staying: readonly number[]): Promise<void>;
  /** The attempt has ended: ends stray processes, all but `staying`, and reads the last figures. `finish` answers the same later. */
  figures(staying: readonly number[]): Promise<UsageRecord>;
  /** Moves `pids` back out (a build slot has done so already), ends stray processes, reads the last figures, removes the group. */
  finish(moveOut: readonly number[]): Promise<UsageRecord>;
}

/** What this machine lets us measure and enforce; found out by trying. */
export interface UsageMode {
  /** Where figures are read: `cgroup2`, `cgroup1`, `cgroup1+cgroup2` or `proc`. */
  readonly source: string;
  readonly cpu: UsageQuality;
  readonly memory: UsageQuality;
  readonly pressure: UsageQuality;
  /** Whether a limit of each kind holds a build. */
  readonly limits: Readonly<Record<"memory" | "cores" | "processes", boolean>>;
  /** What an operator can change to have more, a sentence each; empty when nothing is missing. */
  readonly advice: readonly string[];
}

export interface UsageMeters {
  readonly mode: UsageMode;
  /** The mode in one line for people. */
  readonly description: string;
  /** Without limits the attempt begins later, with `begin`. */
  start(name: string, limits: MeterLimits | null): Promise<UsageMeter>;
}

/** What an evaluation tells as it goes. */
export type EvaluationEvent =
  | { type: "job"; job: EvaluatedJob }
  | { type: "message"; message: EvaluationMessage };

/** `--arg` is an expression, `--argstr` a string. */
export interface EvaluationArgument {
  name: string;
  kind: "expression" | "string";
  text: string;
}

/** What is evaluated. */
export interface InputOverrides {
  readonly inputs: readonly InputOverride[];
  /** Keeps the tree with the other inputs from being collected; called before it is evaluated. */
  keep(storePath: string): Promise<void>;
}

export type EvaluationSubject =
  /** A source tree: its flake, else the first of `default.nix`, `release.nix` and `ci.nix`. `directory` is where its bytes lie. */
  | {
      type: "tree";
      directory: string;
      storePath: string | null;
      /** Only a flake has inputs. */
      overrides?: InputOverrides;
    }
  /** One file of classic Nix. */
  | { type: "file"; file: string; arguments: readonly EvaluationArgument[] }
  /** A flake by its reference, without `#`. */
  | { type: "flake"; reference: string };

export interface Evaluator extends Preparable {
  /** What all processes of one evaluation may need together, with the builds that it imports from: the limit of its meter. */
  readonly memoryLimitBytes: number;
  /**
   * Evaluates what the pattern selects in the subject, and instantiates the derivations. Events come while evaluation runs.
   * Attributes that fail are jobs with an error; what fails as a whole (no such file, a syntax error at the top, the deadline) is an EvaluationError.
   * Flakes are evaluated pure and locked. Builds that evaluation needs (import from derivation) happen meanwhile, and are told as messages.
   */
  evaluate(request: {
    subject: EvaluationSubject;
    pattern: string;
    /** Where relative paths in the expressions of arguments begin; `/` when absent. */
    workingDirectory?: string;
    timeoutMs: number;
    meter: UsageMeter;
    signal: AbortSignal;
  }): AsyncIterable<EvaluationEvent>;
}

export interface Signer {
  /** `name:base64` public key. */
  readonly publicKey: string;
  /** Signs valid paths with `nix store sign`; calls that come while one runs are joined into the next. Resolves to each path's signature. */
  sign(paths: readonly string[]): Promise<Map<string, string>>;
}

/** What is missing for some derivations, as Nix sees it. */
export interface MissingPaths {
  /** Derivations that have to be built. */
  willBuild: readonly string[];
  /** Store paths that a substituter has. */
  willSubstitute: readonly string[];
  downloadBytes: number;
  /** What is fetched, once it is in the store. */
  unpackedBytes: number;
}

/** What the substituters of nix.conf can do for a build. */
export interface Substituter extends Preparable, AsyncDisposable {
  /** What has to be built or substituted to have all outputs of the derivations. Warnings tell of substituters that do not answer. */
  missing(
    drvPaths: readonly string[],
    options: { onWarning: (text: string) => void; signal: AbortSignal },
  ): Promise<MissingPaths>;
  /** As `missing`, if there were no substituters. */
  missingWithout(drvPaths: readonly string[]): Promise<MissingPaths>;
  /** Fetches paths and what they refer to. Rejects with a NixError when one can not be had. */
  fetch(paths: readonly string[], signal: AbortSignal): Promise<void>;
}
