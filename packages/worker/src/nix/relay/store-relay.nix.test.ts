import { readFileSync, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import type { EvaluatedJob } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runProcess } from "../../process/run.ts";
import { type RunningProcess, startProcess } from "../../process/start.ts";
import { readTimes } from "../../usage/process-tree.ts";
import { openUsageMeters } from "../../usage/usage-meters.ts";
import { findNix } from "../installation.ts";
import { DaemonLostError } from "../nix-error.ts";
import { EvaluationFixture } from "../testing/evaluation-fixture.ts";
import { NixFixture, expression } from "../testing/nix-fixture.ts";
import { StoreRelay } from "./store-relay.ts";

const isRoot = process.getuid?.() === 0;

/** Derivations that share others, texts that are read at once, sources, builds that are imported, a `.drv` that is read. */
const EVERYTHING = expression(`let
    note = builtins.toFile "note" "a text";
    large = builtins.toFile "large" (builtins.concatStringsSep "" (builtins.genList toString 400000));
    listed = builtins.toFile "listed.nix" ''{ note = "\${note}"; }'';
    source = builtins.path { name = "filtered"; path = ./files; filter = file: _: baseNameOf file != "skipped"; };
    shared = mk "shared" "echo > $out" { };
    chain = n: if n == 0 then shared else mk "chain-\${toString n}" "echo > $out" { before = chain (n - 1); };
    referring = mk "referring" "mkdir $out; echo \${shared} > $out/file" { };
    copied = file: builtins.seq (builtins.readFile file) (builtins.path { name = "copied"; path = builtins.unsafeDiscardStringContext file; });
    generated = mk "generated" "echo '{ name = \\"made\\"; }' > $out" { };
    numbered = count: builtins.listToAttrs (builtins.genList (n: { name = "n\${toString n}"; value = mk "n-\${toString n}" "echo > $out" { inherit shared; }; }) count);
  in numbered 40 // {
    chain = chain 20;
    closure = mk "closure" "echo > $out" { derivations = (chain 5).drvPath; };
    copies = mk "copies" "echo > $out" { source = copied "\${referring}/file"; derivation = copied referring.drvPath; };
    imports = mk "imports-\${(import generated).name}" "echo > $out" { };
    large = mk "large" "echo > $out" { inherit large; size = builtins.stringLength (builtins.readFile large); };
    listed = mk "listed" "echo > $out" { inherit (import listed) note; };
    reads = mk "reads" "echo > $out" { size = builtins.stringLength (builtins.readFile shared.drvPath); };
    sources = mk "sources" "echo > $out" { inherit source; plain = ./files/plain; };
  }`);

const FILES = {
  "default.nix": EVERYTHING,
  "files/plain": "plain",
  "files/skipped": "skipped",
};

/** The database without times, and what is to be seen of each file. */
async function contents(nix: NixFixture): Promise<{ registered: string[]; files: string[] }> {
  const database = await nix.run("nix-store", ["--dump-db"]);
  const store = path.join(nix.directory, "nix/store");
  const shown = ["-printf", "%P %y %m %s %T@ %l\n"];
  const isKept = ["-mindepth", "1", "-not", "-path", "*/.links*"];
  const files = await nix.run("find", [store, ...isKept, ...shown]);
  return { registered: database.split("\n").toSorted(), files: files.split("\n").toSorted() };
}

const daemons: RunningProcess[] = [];

/** Starts a daemon of the store, and has everything done by it. */
async function behindDaemon(fixture: NixFixture) {
  const socket = path.join(fixture.directory, "socket");
  const environment = { ...fixture.nix.environment, NIX_DAEMON_SOCKET_PATH: socket };
  const daemon = await startProcess({
    command: "nix-daemon",
    args: ["--daemon"],
    env: environment,
  });
  daemons.push(daemon);
  daemon.stdout.resume();
  daemon.stderr.resume();
  await vi.waitFor(() => stat(socket), 10_000);
  const nix = findNix({ store: "daemon", environment });
  return { ...nix, physicalStoreDirectory: fixture.nix.physicalStoreDirectory };
}

describe.each([
  { where: "written by a child of ours", reach: async ({ nix }: NixFixture) => nix },
  { where: "behind the system's daemon", reach: behindDaemon },
])("a store $where", ({ where, reach }) => {
  let fixture: EvaluationFixture;

  beforeAll(async () => {
    fixture = await EvaluationFixture.make(process.env, reach);
  });

  afterAll(async () => {
    await fixture[Symbol.asyncDispose]();
    for (const daemon of daemons.splice(0)) await daemon.end(1000);
  });

  test("holds after an evaluation with several processes what nix-instantiate leaves in another", async () => {
    await using plain = await NixFixture.make(process.env);
    await plain.write(FILES);
    await plain.run("nix-instantiate", [path.join(plain.tree, "default.nix")]);

    const file = path.join(fixture.nix.tree, "default.nix");
    const subject = { type: "file", file, arguments: [] } as const;
    const { list } = await fixture.evaluate(FILES, "*", { subject, processes: 3 });
    expect(list.filter(({ outcome }) => outcome === "error")).toEqual([]);
    expect(list).toHaveLength(48);
    expect(await contents(fixture.nix)).toEqual(await contents(plain));
  });

  test("gives the same when everything is there already", async () => {
    const first = await fixture.evaluate(FILES, "*", { processes: 2 });
    const before = await contents(fixture.nix);
    const second = await fixture.evaluate(FILES, "*,!closure", { processes: 2 });
    const { closure, ...others } = first.jobs;
    expect(closure).toBe("closure.drv");
    expect(second.jobs).toEqual(others);
    expect(await contents(fixture.nix)).toEqual(before);
  });

  test("a derivation is in the store when its attribute is told", async () => {
    const late = `builtins.foldl' (a: i: builtins.hashString "sha256" (a + toString i)) "" (builtins.genList (i: i) 300000)`;
    const body = expression(`{
      a = mk "early" "echo > $out" { };
      z = mk "late" "echo > $out" { value = ${late}; };
    }`);
    const valid: string[] = [];
    await fixture.evaluate({ "default.nix": body }, "*", {
      onJob: async (job) => {
        if (job.outcome === "derivation") {
          valid.push(...(await fixture.store.validPaths([job.drvPath])));
        }
      },
    });
    expect(valid.map((each) => each.slice(44)).toSorted()).toEqual(["early.drv", "late.drv"]);
  });

  test("a build that is imported, and fails, is told with its log", async () => {
    const body = expression(`{
      a = mk "good" "echo > $out" { };
      bad = import (mk "failing" "echo reason; exit 7" { });
      z = mk "later" "echo > $out" { };
    }`);
    const { jobs } = await fixture.evaluate({ "default.nix": body });
    expect(jobs).toMatchObject({ a: "good.drv", z: "later.drv" });
    expect(jobs["bad"]).toContain("failing.drv");
    expect(jobs["bad"]).toContain("reason");
  });

  test.runIf(isRoot)("a build that is imported is measured with the evaluation", async () => {
    const burn = `
      n=0; while [ $n -lt 400000 ]; do n=$((n+1)); done
      echo '"x"' > $out
    `;
    const body = expression(
      `{ a = mk "a-\${import (mk "burning" ''${burn}'' { })}" "echo > $out" { }; }`,
    );
    const { jobs, usage } = await fixture.evaluate({ "default.nix": body });
    expect(jobs, where).toEqual({ a: "a-x.drv" });
    expect((usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0)).toBeGreaterThan(300);
  });
});

/** Each takes some milliseconds. */
const NUMBERED = expression(`let
    value = n: builtins.foldl' (a: i: builtins.hashString "sha256" (a + toString (n * i))) "" (builtins.genList (i: i) 5000);
    make = n: { name = "n${"$"}{toString n}"; value = mk "n-${"$"}{toString n}" "echo > $out" { value = value n; }; };
  in builtins.listToAttrs (builtins.genList make 200)`);

/** The second child that works on the store below this directory: the first is for an evaluator, and others have theirs later. */
function writerOf(directory: string): number | undefined {
  const read = (pid: string, name: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "latin1");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && read(pid, "cmdline").startsWith("nix-daemon\0--stdio"))
    .filter((pid) => read(pid, "environ").includes(`root=${directory}`))
    .map((pid) => ({
      pid: Number(pid),
      startTicks: readTimes("/proc", Number(pid))?.startTicks ?? 0,
    }))
    .toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)[1]?.pid;
}

test("when the process that writes is lost the evaluation fails as a whole, and blames no attribute", async () => {
  await using fixture = await EvaluationFixture.make(process.env);
  const file = path.join(fixture.nix.tree, "default.nix");
  const subject = { type: "file", file, arguments: [] } as const;
  const failed: EvaluatedJob[] = [];
  let writer: number | undefined;
  const evaluation = fixture.evaluate({ "default.nix": NUMBERED }, "*", {
    subject,
    onJob: async (job) => {
      if (job.outcome === "error") failed.push(job);
      if (writer !== undefined) return;
      writer = writerOf(fixture.nix.directory);
      expect(writer).toBeDefined();
      if (writer !== undefined) process.kill(writer, "SIGKILL");
    },
  });
  await expect(evaluation).rejects.toThrow(DaemonLostError);
  expect(failed).toEqual([]);
});

describe("any program of Nix", () => {
  test("is answered as by the store itself, whatever it asks", async () => {
    await using fixture = await NixFixture.make(process.env);
    await using meters = await openUsageMeters();
    const meter = await meters.start("relay", { memoryBytes: null, cores: null });
    const drvPath = await fixture.instantiate(`mk "asked" "echo > $out" { }`);
    await fixture.run("nix-store", ["--realise", drvPath]);
    {
      const { signal } = new AbortController();
      const stateDirectory = path.join(fixture.directory, "state");
      await using relay = await StoreRelay.open(fixture.nix, { meter, signal, stateDirectory });
      const relayed = async (command: string, args: readonly string[]): Promise<string> => {
        const { environment } = relay.nix;
        const { stdout } = await runProcess({ command, args, env: environment, timeoutMs: 60_000 });
        return stdout.toString();
      };
      const questions = [
        ["--query", "--requisites", drvPath],
        ["--query", "--outputs", drvPath],
        ["--query", "--referrers", drvPath],
        ["--query", "--hash", drvPath],
        ["--check-validity", drvPath],
        ["--realise", drvPath],
        ["--add", path.join(fixture.tree, "seed")],
        // The relay does not know this request.
        ["--verify"],
      ];
      for (const args of questions) {
        expect(await relayed("nix-store", args), args.join(" ")).toBe(
          await fixture.run("nix-store", args),
        );
      }
      await expect(relayed("nix-store", ["--query", "--hash", `${drvPath}x`])).rejects.toThrow(
        "not valid",
      );
      relay.check();
    }
    await meter.finish([]);
  });
});
