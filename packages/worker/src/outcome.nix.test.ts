import { appendFile, chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildLimits, BuildOutcome } from "@gradient/protocol";
import { openBuildSlot } from "./nix/build-slot.ts";
import { NixFixture } from "./nix/testing/nix-fixture.ts";
import { decideOutcome, type Outcome } from "./outcome.ts";
import type { BuildEnd, BuildSlot, UsageMeter, UsageMeters } from "./ports.ts";
import { SmallDisk } from "./testing/small-disk.ts";
import { openUsageMeters } from "./usage/usage-meters.ts";

/**
 * The outcome table (nixbuild.net's API, 3.3), one real build for each row. Which rows are read from Nix's words, as its version tells
 * nothing else, stands in the row.
 */

const MEBIBYTE = 1024 * 1024;
const NO_LIMITS: BuildLimits = {
  timeoutSeconds: null,
  maxSilentSeconds: null,
  cores: null,
  memoryBytes: null,
};
const canControlGroups = process.getuid?.() === 0;

/** A private store with settings of its own, and one slot that builds in it. */
class Bench implements AsyncDisposable {
  readonly fixture: NixFixture;
  readonly slot: BuildSlot;

  private constructor(fixture: NixFixture) {
    this.fixture = fixture;
    this.slot = openBuildSlot(fixture.nix);
  }

  static async open(settings: readonly string[], directory?: string): Promise<Bench> {
    const variables = directory === undefined ? {} : { GRADIENT_TEST_DIR: directory };
    const fixture = await NixFixture.make({ ...process.env, ...variables });
    await appendFile(join(fixture.directory, "conf/nix.conf"), `${settings.join("\n")}\n`);
    return new Bench(fixture);
  }

  get version(): string {
    return this.fixture.version;
  }

  async build(body: string, options: BuildOptions = {}): Promise<Ended> {
    return this.buildDrv(await this.fixture.instantiate(body), options);
  }

  async buildDrv(drvPath: string, options: BuildOptions = {}): Promise<Ended> {
    const limits = { ...NO_LIMITS, ...options.limits };
    const meter = await meters.start("outcome", limits);
    let log = "";
    const end = await this.slot.build({
      drvPath,
      inputs: this.fixture.inputsOf(drvPath),
      limits,
      meter,
      onLog: (text) => {
        log += text;
        options.onLog?.(meter);
      },
      signal: options.signal ?? new AbortController().signal,
    });
    const usage = await meter.finish([]);
    return { end, log, ...decideOutcome(end, usage) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.slot[Symbol.asyncDispose]();
    await this.fixture[Symbol.asyncDispose]();
  }
}

interface BuildOptions {
  limits?: Partial<BuildLimits>;
  signal?: AbortSignal;
  onLog?: (meter: UsageMeter) => void;
}

type Ended = Outcome & { end: BuildEnd; log: string };

let meters: UsageMeters & AsyncDisposable;
let bench: Bench;

beforeAll(async () => {
  meters = await openUsageMeters();
  bench = await Bench.open([]);
});

afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await meters[Symbol.asyncDispose]();
});

/** What the end of a build should look like. A guess is one that this version of Nix tells by its words alone. */
function ending(expected: { outcome: BuildOutcome; message: RegExp; isGuess?: boolean }): object {
  const { outcome, message, isGuess = false } = expected;
  return { outcome, message: expect.stringMatching(message), isGuess };
}

const isBefore = (version: string, other: readonly [number, number]): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < other[0] || (major === other[0] && minor < other[1]);
};

describe("ended by us", () => {
  test("cancelled: by whoever asked for it", async () => {
    const controller = new AbortController();
    const ended = await bench.build(`mk "cancelled" "echo begun; sleep 600" { }`, {
      signal: controller.signal,
      onLog: () => controller.abort(),
    });
    expect(ended).toMatchObject(ending({ outcome: "cancelled", message: /^cancelled$/ }));
  });

  test("timeout: longer than the total limit", async () => {
    const ended = await bench.build(`mk "long" "while :; do echo; sleep 0.2; done" { }`, {
      limits: { timeoutSeconds: 1 },
    });
    expect(ended).toMatchObject(
      ending({ outcome: "timeout", message: /timed out after 1 seconds/ }),
    );
  });

  test("timeout: silent for longer than the limit", async () => {
    const ended = await bench.build(`mk "silent" "echo begun; sleep 600" { }`, {
      limits: { maxSilentSeconds: 1 },
    });
    expect(ended).toMatchObject(
      ending({ outcome: "timeout", message: /timed out after 1 seconds/ }),
    );
  });
});

describe("out of memory", () => {
  test.runIf(canControlGroups)("out_of_memory: a process needed more than the limit", async () => {
    // The builder says nothing of memory: only the kernel's counter tells.
    const script = "dd if=/dev/zero of=/dev/null bs=300M count=1 2>/dev/null || exit 3";
    const ended = await bench.build(`mk "hungry" "${script}" { }`, {
      limits: { memoryBytes: 100 * MEBIBYTE },
    });
    expect(ended).toMatchObject(ending({ outcome: "out_of_memory", message: /limit of 100 MiB/ }));
  });

  test("build_failed: a builder that only says so", async () => {
    const script = "echo Killed; echo out of memory >&2; exit 137";
    const ended = await bench.build(`mk "liar" "${script}" { }`);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /exit code 137/ }));
  });
});

describe("internal_error: the machine's fault", () => {
  test("Nix's process died", async () => {
    const ended = await bench.build(`mk "orphan" "echo begun; sleep 600" { }`, {
      onLog: (meter) => void meter.kill([]),
    });
    expect(ended).toMatchObject(ending({ outcome: "internal_error", message: /nix-daemon/ }));
  });

  test.runIf(canControlGroups)("no space for what the build writes", async () => {
    await using disk = await SmallDisk.mount(bench.fixture.directory, 24);
    await using small = await Bench.open([], disk.directory);
    const script = "dd if=/dev/zero of=$out bs=1M count=40";
    const ended = await small.build(`mk "large" "${script}" { }`);
    expect(ended).toMatchObject(
      ending({ outcome: "internal_error", message: /space/, isGuess: true }),
    );
    // The same with space is well.
    const fits = await small.build(`mk "small" "echo > $out" { }`);
    expect(fits.outcome).toBe("built");
  });
});

describe("client_error: nothing that this machine can build", () => {
  test("another system", async () => {
    const ended = await bench.build(`mk "alien" "echo > $out" { system = "mips-linux"; }`);
    const isGuess = isBefore(bench.version, [2, 30]);
    expect(ended).toMatchObject(
      ending({ outcome: "client_error", message: /mips-linux/, isGuess }),
    );
  });

  test("a feature that it has not", async () => {
    const attributes = `{ requiredSystemFeatures = [ "quantum" ]; }`;
    const ended = await bench.build(`mk "featured" "echo > $out" ${attributes}`);
    const isGuess = isBefore(bench.version, [2, 30]);
    expect(ended).toMatchObject(ending({ outcome: "client_error", message: /quantum/, isGuess }));
  });

  test("a derivation that is not in the store", async () => {
    const ended = await bench.buildDrv("/nix/store/00000000000000000000000000000000-lost.drv");
    const isGuess = isBefore(bench.version, [2, 30]);
    expect(ended).toMatchObject(
      ending({ outcome: "client_error", message: /-lost\.drv/, isGuess }),
    );
  });

  test("a file that is no derivation", async () => {
    const drvPath = await bench.fixture.instantiate(`mk "damaged" "echo > $out" { }`);
    const file = join(bench.fixture.nix.physicalStoreDirectory, basename(drvPath));
    await chmod(file, 0o644);
    await writeFile(file, "Derive(nothing)");
    const ended = await bench.buildDrv(drvPath);
    expect(ended).toMatchObject(ending({ outcome: "client_error", message: /\S/, isGuess: true }));
  });

  test("an input that is not there", async () => {
    const ended = await bench.build(
      `mk "above" "echo $below > $out" { below = mk "below" "echo > $out" { }; }`,
    );
    expect(ended).toMatchObject(ending({ outcome: "client_error", message: /-below\b/ }));
  });
});

describe("build_failed: the derivation's own doing", () => {
  test("the builder's exit code", async () => {
    const ended = await bench.build(`mk "fails" "exit 7" { }`);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /exit code 7/ }));
  });

  test("the builder killed by a signal", async () => {
    const mark = `mark-${process.pid}-${Date.now()}`;
    const ended = await bench.build(`mk "killed" "echo begun; sleep 600; : ${mark}" { }`, {
      onLog: () => void killBuilder(mark),
    });
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /signal 9/ }));
  });

  test("a builder that is not there", async () => {
    const ended = await bench.build(
      `derivation { name = "lost"; system = builtins.currentSystem; builder = "/no/such/builder"; }`,
    );
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /\S/ }));
  });

  test("a fixed-output builder that fails", async () => {
    const hash = `outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "x";`;
    const ended = await bench.build(`mk "download" "exit 6" { ${hash} }`);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /exit code 6/ }));
  });

  test("no output made", async () => {
    const ended = await bench.build(`mk "nothing" "true" { }`);
    expect(ended).toMatchObject(
      ending({ outcome: "build_failed", message: /failed to produce output/ }),
    );
  });

  test("a fixed output with another hash", async () => {
    const hash = `outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "wanted";`;
    const ended = await bench.build(`mk "mismatch" "echo other > $out" { ${hash} }`);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /hash mismatch/ }));
  });

  test("a cycle of outputs", async () => {
    const script = "echo $dev > $out; echo $out > $dev";
    const ended = await bench.build(`mk "cycle" "${script}" { outputs = [ "out" "dev" ]; }`);
    const isGuess = isBefore(bench.version, [2, 30]);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /cycle/, isGuess }));
  });

  test("a line that looks like one of Nix's own programs, and is none", async () => {
    const script = `echo '@nix {\\"action\\":\\"start\\"}' >&2; exit 1`;
    const ended = await bench.build(`mk "forger" "${script}" { }`);
    const isGuess = isBefore(bench.version, [2, 9]);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /./, isGuess }));
  });

  test("an output that no store can hold", async () => {
    const ended = await bench.build(`mk "pipe" "mkfifo $out" { }`);
    expect(ended).toMatchObject(
      ending({ outcome: "build_failed", message: /unsupported type/, isGuess: true }),
    );
  });

  test("a reference that is not allowed", async () => {
    const ended = await bench.build(
      `mk "refers" "echo $other > $out" { other = seed; allowedReferences = [ ]; }`,
    );
    expect(ended).toMatchObject(
      ending({ outcome: "build_failed", message: /not allowed to refer/ }),
    );
  });

  test("more log than the machine's Nix allows", async () => {
    await using strict = await Bench.open(["max-build-log-size = 10000"]);
    const ended = await strict.build(`mk "chatty" "seq 1 100000; echo > $out" { }`);
    expect(ended).toMatchObject(ending({ outcome: "build_failed", message: /log/ }));
  });

  // Later versions compare only when they are asked to check a path that is there.
  test("not the same output each time", async (context) => {
    if (!isBefore(bench.version, [2, 9])) return context.skip();
    await using twice = await Bench.open(["repeat = 1"]);
    const script = "read line < /proc/sys/kernel/random/uuid; echo $line > $out";
    const ended = await twice.build(`mk "random" "${script}" { }`);
    expect(ended).toMatchObject(
      ending({ outcome: "build_failed", message: /differs|not deterministic/ }),
    );
  });
});

describe("built", () => {
  test("all outputs are there", async () => {
    const ended = await bench.build(
      `mk "fine" "echo > $out; echo > $dev" { outputs = [ "out" "dev" ]; }`,
    );
    expect(ended).toMatchObject({ outcome: "built", message: null, isGuess: false });
  });
});

/** Ends the first process of the build whose script has the mark, from outside: inside of its namespace nobody can. */
async function killBuilder(mark: string): Promise<void> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (line.includes(mark)) process.kill(Number(name), "SIGKILL");
  }
}
