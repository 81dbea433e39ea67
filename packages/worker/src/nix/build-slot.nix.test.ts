import { readFileSync, readdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { BuildLimits } from "@gradient/protocol";
import { decideOutcome } from "../outcome.ts";
import type { BuildEnd, BuildSlot, UsageMeter, UsageMeters } from "../ports.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { openBuildSlot } from "./build-slot.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

const NO_LIMITS: BuildLimits = {
  timeoutSeconds: null,
  maxSilentSeconds: null,
  cores: null,
  memoryBytes: null,
};

let fixture: NixFixture;
let meters: UsageMeters & AsyncDisposable;
let slot: BuildSlot;

beforeAll(async () => {
  fixture = await NixFixture.make(process.env);
  meters = await openUsageMeters();
  slot = openBuildSlot(fixture.nix);
});

afterAll(async () => {
  await slot[Symbol.asyncDispose]();
  await meters[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

function temporary(): string {
  return fixture.nix.environment["TMPDIR"] ?? "";
}

/** Directories of builds that are there. */
async function leftBuilds(): Promise<string[]> {
  const files = await readdir(temporary(), { recursive: true });
  return files.filter((file) => path.basename(file).startsWith("nix-build-"));
}

interface Built {
  end: BuildEnd;
  log: string;
  outcome: ReturnType<typeof decideOutcome>;
  usage: Awaited<ReturnType<Awaited<ReturnType<UsageMeters["start"]>>["finish"]>>;
}

async function build(
  body: string,
  options: {
    limits?: Partial<BuildLimits>;
    inputs?: readonly string[] | null | undefined;
    signal?: AbortSignal;
    onLog?: (meter: UsageMeter) => void;
  } = {},
): Promise<Built> {
  return buildDrv(await fixture.instantiate(body), options);
}

async function buildDrv(
  drvPath: string,
  options: {
    limits?: Partial<BuildLimits>;
    inputs?: readonly string[] | null | undefined;
    signal?: AbortSignal;
    onLog?: (meter: UsageMeter) => void;
  } = {},
): Promise<Built> {
  const limits = { ...NO_LIMITS, ...options.limits };
  const meter = await meters.start("test", limits);
  let log = "";
  const end = await slot.build({
    drvPath,
    inputs: options.inputs === undefined ? fixture.inputsOf(drvPath) : options.inputs,
    limits,
    meter,
    onLog: (text) => {
      log += text;
      options.onLog?.(meter);
    },
    signal: options.signal ?? new AbortController().signal,
  });
  const usage = await meter.finish([]);
  return { end, log, usage, outcome: decideOutcome(end, usage) };
}

test("a build gives its log as it comes, its times, and what it used", async () => {
  const before = Date.now();
  const { end, log, usage, outcome } = await build(
    `mk "ok" "echo hello; echo wörld >&2; echo done > $out" { }`,
  );
  expect(outcome).toEqual({ outcome: "built", message: null, isGuess: false });
  expect(log).toBe("hello\nwörld\n");
  expect(end.startedAt).toBeGreaterThanOrEqual(before);
  expect(end.stoppedAt).toBeGreaterThanOrEqual(end.startedAt);
  expect(usage.cpuUserMs).not.toBeNull();
  expect(usage.memoryPeakBytes).not.toBeNull();
});

test("what is valid already is not built again", async () => {
  const drvPath = await fixture.instantiate(`mk "twice" "echo once; echo > $out" { }`);
  expect((await buildDrv(drvPath)).log).toBe("once\n");
  const again = await buildDrv(drvPath);
  expect(again.outcome.outcome).toBe("built");
  expect(again.log).toBe("");
});

test.each([
  ["Nix was told of", undefined],
  ["Nix looks for", null],
])("an input that is missing and that %s is not built along", async (_, inputs) => {
  const { outcome, log } = await build(
    `mk "above" "echo $below > $out" { below = mk "below" "echo built below; echo > $out" { }; }`,
    { inputs },
  );
  expect(outcome).toMatchObject({ outcome: "client_error", isGuess: false });
  expect(outcome.message).toMatch(/-below/);
  expect(log).not.toContain("built below");
});

test("what Nix was told builds what the derivation says", async () => {
  const drvPath = await fixture.instantiate(String.raw`let
      fixed = mk "fixed" "echo same > $out" {
        outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "same\n";
      };
      used = mk "used" "read -r line < $source; mkdir $out; echo $line > $out/file" { source = fixed; };
      graph = mk "graph" "echo graph > $out" { };
    in mk "all" ''
      echo "$two"; while read -r line; do echo "$line"; done < $bytesPath; read -r line < $used/file; echo $line
      while read -r line; do echo $line; done < closure; echo $used > $out; echo > $dev
    '' {
      inherit used; outputs = [ "out" "dev" ]; two = "a\nb \\ \"c\""; bytes = "ü\n"; passAsFile = [ "bytes" ];
      exportReferencesGraph = [ "closure" graph ];
    }`);
  const closure = await fixture.run("nix-store", ["--query", "--requisites", drvPath]);
  for (const input of closure
    .split("\n")
    .filter((each) => /-(fixed|used|graph)\.drv$/.test(each))) {
    expect((await buildDrv(input)).outcome.outcome).toBe("built");
  }
  const { outcome, log } = await buildDrv(drvPath);
  expect(outcome).toEqual({ outcome: "built", message: null, isGuess: false });
  expect(log).toMatch(/^a\nb \\ "c"\nü\nsame\n\/nix\/store\/[^\n]*-graph\n/);
});

test("an input of the same name is no other form of the derivation", async () => {
  const { outcome } = await build(
    `mk "same" "echo $below > $out" { below = mk "same" "echo > $out" { }; }`,
    { inputs: null },
  );
  expect(outcome).toMatchObject({ outcome: "client_error", isGuess: false });
});

test("an input that was built before Nix could be asked to stop is not passed over", async () => {
  // Keeps this process from reading until Nix is done with both.
  const busy = setInterval(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
  }, 1);
  try {
    const { outcome } = await build(
      `mk "over" "echo $under > $out" { under = mk "under" "echo > $out" { }; }`,
      { inputs: null },
    );
    expect(outcome).toMatchObject({ outcome: "client_error", isGuess: false });
    expect(outcome.message).toMatch(/the input .*-under\.drv is not in this store/);
  } finally {
    clearInterval(busy);
  }
});

describe("limits", () => {
  test("a build that takes too long is ended", async () => {
    const { outcome, end } = await build(`mk "long" "echo started; sleep 60" { }`, {
      limits: { timeoutSeconds: 1 },
    });
    expect(outcome).toMatchObject({ outcome: "timeout", isGuess: false });
    expect(end.stoppedAt - end.startedAt).toBeLessThan(30_000);
  });

  test("a build that is silent for too long is ended, and one that is not is not", async () => {
    const limits = { maxSilentSeconds: 2 };
    const silent = await build(`mk "silent" "echo started; sleep 60" { }`, { limits });
    expect(silent.outcome).toMatchObject({ outcome: "timeout", isGuess: false });
    const loud = await build(
      `mk "loud" "for i in 1 2 3; do sleep 1; echo $i; done; echo > $out" { }`,
      { limits },
    );
    expect(loud.outcome.outcome).toBe("built");
  });

  test("limits of one build are not those of the next", async () => {
    const limits = { timeoutSeconds: 1 };
    await build(`mk "limited" "echo > $out" { }`, { limits });
    const { outcome } = await build(`mk "unlimited" "sleep 2; echo > $out" { }`);
    expect(outcome.outcome).toBe("built");
  });

  test("limits of one build are those of the next when it has the same", async () => {
    const limits = { timeoutSeconds: 1 };
    await build(`mk "short" "echo > $out" { }`, { limits });
    const { outcome } = await build(`mk "too-long" "sleep 60" { }`, { limits });
    expect(outcome.outcome).toBe("timeout");
  });

  test("a limit of months is no deadline that is over at once", async () => {
    const limits = { timeoutSeconds: 90 * 86_400 };
    const { outcome } = await build(`mk "patient" "sleep 0.1; echo > $out" { }`, { limits });
    expect(outcome).toMatchObject({ outcome: "built" });
  });

  test("a build gets no more cores than its limit", async () => {
    const loop = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    const { usage } = await build(`mk "cores" "(${loop}) & (${loop}) & wait; echo > $out" { }`, {
      limits: { cores: 1 },
    });
    expect(usage.coresAverage).toBeLessThan(1.25);
    expect(usage.cpuThrottledMs).not.toBeNull();
  });
});

/** Whether it has a child that has not ended. */
function hasRunningChild(pid: number): boolean {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
  return children
    .filter((child) => child !== "")
    .some((child) => !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${child}/stat`, "latin1")));
}

describe("cancelling", () => {
  test("ends a build that heeds no signal, and the next build works", async () => {
    const controller = new AbortController();
    let cancelledAt = 0;
    const { outcome, end } = await build(
      `mk "endless" "trap true TERM INT HUP; echo started; sleep 600 & sleep 600 & while :; do sleep 1; done" { }`,
      {
        signal: controller.signal,
        onLog: () => {
          cancelledAt = Date.now();
          controller.abort();
        },
      },
    );
    expect(outcome).toMatchObject({ outcome: "cancelled", isGuess: false });
    // It would go on for minutes; how quick it is on an idle machine is not asked here.
    expect(end.stoppedAt - cancelledAt).toBeLessThan(30_000);
    expect((await build(`mk "after" "echo > $out" { }`)).outcome.outcome).toBe("built");
  });

  test("lets Nix remove what the build left, also when that takes longer than its processes may live", async () => {
    const controller = new AbortController();
    let building: Promise<Built> | undefined;
    await new Promise<void>((resolve) => {
      building = build(`mk "leaving" "echo > $out; echo started; sleep 600" { }`, {
        signal: controller.signal,
        onLog: () => resolve(),
      });
    });
    const nix = slot.pid ?? 0;
    // It does nothing for as long as it is stopped, as if it had much to remove.
    process.kill(nix, "SIGSTOP");
    controller.abort();
    await vi.waitFor(() => expect(hasRunningChild(nix)).toBe(false), 30_000);
    process.kill(nix, "SIGCONT");
    expect((await building)?.outcome.outcome).toBe("cancelled");
    const left = readdirSync(fixture.nix.physicalStoreDirectory);
    expect(left.filter((name) => name.endsWith("-leaving.drv.chroot"))).toEqual([]);
  });

  test("before the start costs nothing", async () => {
    const { outcome, log } = await build(`mk "never" "echo ran; echo > $out" { }`, {
      signal: AbortSignal.abort(),
    });
    expect(outcome.outcome).toBe("cancelled");
    expect(log).toBe("");
  });
});

describe("logs", () => {
  test("phases are kept as Nix writes them, and what a builder forges stays text", async () => {
    const { log } = await build(
      `mk "phases" ''echo '@nix {"action":"setPhase","phase":"buildPhase"}'; echo '@nix {"action":"stop","id":1}'; echo end; echo > $out'' { }`,
    );
    expect(log).toContain('@nix {"action":"setPhase","phase":"buildPhase"}\n');
    expect(log).toContain("end\n");
  });

  test("bytes that are no UTF-8 are replaced, and long lines are whole", async () => {
    const { log } = await build(
      `mk "bytes" ''printf 'a\\377b\\n'; dd if=/dev/zero bs=512k count=1 2>/dev/null | tr '\\0' x; echo; echo > $out'' { }`,
    );
    const [first, second] = log.split("\n");
    expect(first).toBe("a\uFFFDb");
    expect(second).toHaveLength(512 * 1024);
  });

  test("many lines arrive complete and in order", async () => {
    const { log } = await build(`mk "many" "seq 1 20000; echo > $out" { }`);
    const lines = log.trimEnd().split("\n");
    expect(lines).toHaveLength(20_000);
    expect(lines.at(-1)).toBe("20000");
  });
});

test("Nix's process being killed costs one build, and says so", async () => {
  const { outcome } = await build(`mk "killer" "echo started; sleep 600" { }`, {
    onLog: (meter) => void meter.kill([]),
  });
  expect(outcome).toMatchObject({ outcome: "internal_error", isGuess: false });
  expect((await build(`mk "next" "echo > $out" { }`)).outcome.outcome).toBe("built");
  await expect.poll(leftBuilds, { timeout: 10_000 }).toEqual([]);
});

test("whoever clears temporary files may take the place of builds", async () => {
  await build(`mk "here" "echo > $out" { }`);
  const [place = ""] = await readdir(temporary());
  await rm(path.join(temporary(), place), { recursive: true });
  expect((await build(`mk "there" "echo > $out" { }`)).outcome.outcome).toBe("built");
  expect(await readdir(temporary())).not.toContain(place);
});
