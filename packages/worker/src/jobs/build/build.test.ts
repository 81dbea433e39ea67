import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { encodeNarBundle, singleFileNar } from "@gradient/protocol";
import { compress, decompress } from "zstd-napi";
import { describe, expect, onTestFinished, test } from "vitest";
import { Journal } from "../../journal/journal.ts";
import { storePath } from "../../testing/offers.ts";
import { MEASURED, ScriptedStore } from "../../testing/scripted-nix.ts";
import { TestCoordinator } from "../../testing/test-coordinator.ts";
import { offerBuild, offers, resultOf, startFarm } from "../../testing/test-farm.ts";
import { TestWorker } from "../../testing/test-worker.ts";

describe("a build", () => {
  test("is accepted, reported on, signed, uploaded and told with its usage", async () => {
    const farm = await startFarm();
    const { coordinator, worker } = farm;
    // Now, so that the build ends in the turn in which it has started, however busy the machine is.
    await worker.store.add("hello", "Hello, world\n");
    const { offer, output, build } = await offerBuild(farm, "hello");
    build.request.onLog("building\n");
    build.end({ startedAt: 10, stoppedAt: 20 });

    const { result } = await resultOf(coordinator, offer.assignment);
    expect(result).toMatchObject({
      kind: "build",
      outcome: "built",
      message: null,
      missingInputs: [],
      outputs: [
        {
          name: "out",
          facts: { path: output, signatures: [`worker-test-1:signature of ${output}`] },
        },
      ],
      times: { startedAt: 10, stoppedAt: 20 },
      usage: MEASURED,
      logBytes: 9,
    });
    expect(coordinator.log(offer.assignment)).toBe("building\n");
    const [[narHash = "", nar = Buffer.alloc(0)] = []] = coordinator.transfers.nars;
    const made = singleFileNar(Buffer.from("Hello, world\n")).length;
    expect(result).toMatchObject({
      usage: {
        receivedBytes: 0,
        sentBytes: encodeNarBundle([{ narHash, narSize: made, bytes: nar }]).length,
        outputNarBytes: made,
        outputPeakBytes: made,
        storagePeakBytes: made,
      },
    });
    expect(decompress(nar)).toEqual(singleFileNar(Buffer.from("Hello, world\n")));
    const about = coordinator.received
      .filter((message) => "assignment" in message)
      .map((message) => (message.type === "progress" ? message.phase : message.type));
    // It was over too soon to be told as started.
    expect(about.filter((what) => what !== "log")).toEqual(["accept", "uploading", "result"]);
    expect(about.indexOf("log")).toBeLessThan(about.indexOf("result"));
    const [upload] = coordinator.transfers.requests;
    expect(upload).toMatchObject({ method: "PUT", assignment: offer.assignment });
  });

  test("that fails has usage and log too", async () => {
    const farm = await startFarm();
    const { offer, build } = await offerBuild(farm, "broken");
    build.request.onLog("no such file\n");
    await farm.coordinator.message("progress");
    build.end({ status: 3, message: "builder failed with exit code 1" });
    const { result } = await resultOf(farm.coordinator, offer.assignment);
    expect(result).toMatchObject({
      outcome: "build_failed",
      outputs: [],
      usage: MEASURED,
      logBytes: 13,
    });
    expect(farm.coordinator.transfers.requests).toEqual([]);
    // The phase after it would say that it was built.
    expect(farm.coordinator.all("progress").map(({ phase }) => phase)).toEqual(["building"]);
  });

  test("gets its inputs from the coordinator, references first", async () => {
    const { coordinator, worker, directory } = await startFarm();
    const other = new ScriptedStore(`${directory}/other`);
    const files = [
      await other.add("source", "#!/bin/sh\n"),
      await other.add("library", "code", []),
    ];
    const library = await other.addDerivation("library-drv");
    const libraryOutput = await other.add("library-drv", "built", [storePath("library")]);
    const top = await other.addDerivation("top", {
      drvs: [library.drvPath],
      sources: [storePath("source")],
    });
    for (const path of [
      ...files.map((facts) => facts.path),
      library.drvPath,
      libraryOutput.path,
      top.drvPath,
    ]) {
      const facts = await other.pathFacts(path);
      if (!facts) throw new Error(`${path} is not there`);
      coordinator.transfers.hold(
        facts,
        compress(singleFileNar(await readFile(other.physicalPath(path)))),
      );
    }
    const offer = offers.build(top.drvPath);
    coordinator.send(offer);
    const build = await worker.builds.started();
    expect(build.request.drvPath).toBe(top.drvPath);
    expect(new Set(worker.store.imported)).toEqual(
      new Set([
        library.drvPath,
        storePath("source"),
        top.drvPath,
        storePath("library"),
        libraryOutput.path,
      ]),
    );
    expect([...(worker.store.roots.get(offer.assignment) ?? [])]).toContain(libraryOutput.path);
    build.end({ status: 3, message: "enough" });
    await resultOf(coordinator, offer.assignment);
    expect(worker.store.roots.size).toBe(0);
  });

  test.each([
    ["whole", (bytes: Buffer) => bytes],
    ["half", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ])("whose derivation lies here %s and is not valid fetches it", async (_, cut) => {
    const { coordinator, worker, directory } = await startFarm();
    const other = new ScriptedStore(`${directory}/other`);
    const { drvPath } = await other.addDerivation("left");
    const facts = await other.pathFacts(drvPath);
    if (facts === null) throw new Error(`${drvPath} is not there`);
    const bytes = await readFile(other.physicalPath(drvPath));
    coordinator.transfers.hold(facts, compress(singleFileNar(bytes)));
    const left = worker.store.physicalPath(drvPath);
    await mkdir(dirname(left), { recursive: true });
    await writeFile(left, cut(bytes));
    const offer = offers.build(drvPath);
    coordinator.send(offer);
    const build = await worker.builds.started();
    expect(worker.store.imported).toEqual([drvPath]);
    build.end({ status: 3, message: "enough" });
    await resultOf(coordinator, offer.assignment);
  });

  test("whose derivation is damaged in this store may do better elsewhere", async () => {
    const { coordinator, worker } = await startFarm();
    const { path } = await worker.store.add("nonsense.drv", "Derive(nothing)");
    const offer = offers.build(path);
    coordinator.send(offer);
    const { result } = await resultOf(coordinator, offer.assignment);
    expect(result).toMatchObject({ outcome: "internal_error", isGuess: false });
    expect(worker.builds.all).toEqual([]);
  });

  test("whose inputs no cache has tells which, and nothing is built", async () => {
    const { coordinator, worker } = await startFarm();
    const input = await worker.store.addDerivation("input");
    const { drvPath } = await worker.store.addDerivation("user", { drvs: [input.drvPath] });
    const offer = offers.build(drvPath);
    coordinator.send(offer);
    const { result } = await resultOf(coordinator, offer.assignment);
    expect(result).toMatchObject({ outcome: "internal_error", missingInputs: [input.output] });
    expect(worker.builds.all).toEqual([]);
  });

  test("is cancelled at once, and tells that it was", async () => {
    const farm = await startFarm();
    const { offer } = await offerBuild(farm, "slow");
    const { assignment, fencing } = offer;
    farm.coordinator.send({ type: "cancel", assignment, fencing, reason: "aborted by alice" });
    const { result } = await resultOf(farm.coordinator, assignment);
    expect(result).toMatchObject({
      outcome: "cancelled",
      message: "cancelled: aborted by alice",
      usage: MEASURED,
    });
  });

  test("that waits for a slot is cancelled at once too", async () => {
    const farm = await startFarm();
    const { build } = await offerBuild(farm, "first");
    const { drvPath } = await farm.worker.store.addDerivation("second");
    const offer = offers.build(drvPath);
    const { assignment, fencing } = offer;
    farm.coordinator.send(offer);
    await farm.coordinator.message("accept", (message) => message.assignment === assignment);
    farm.coordinator.send({ type: "cancel", assignment, fencing, reason: "x" });
    expect((await resultOf(farm.coordinator, assignment)).result).toMatchObject({
      outcome: "cancelled",
    });
    build.end({ status: 3 });
  });

  test("gives its slot back before its upload", async () => {
    const farm = await startFarm();
    const first = await offerBuild(farm, "one");
    farm.coordinator.transfers.faults.push(
      ...Array.from({ length: 3 }, () => ({
        method: "PUT",
        path: /^\/nar/,
        status: 503,
        body: {},
      })),
    );
    await farm.worker.store.add("one", "1");
    first.build.end({});
    const second = await offerBuild(farm, "two");
    second.build.end({ status: 3 });
    expect((await resultOf(farm.coordinator, first.offer.assignment)).result).toMatchObject({
      outcome: "built",
    });
  });
});

describe("a lost socket", () => {
  test("does not end a build, and its result is sent after the reconnect", async () => {
    const farm = await startFarm();
    const { coordinator, worker } = farm;
    const { offer, build } = await offerBuild(farm, "survivor");
    coordinator.dropSocket();
    const hello = await coordinator.message("hello", () => true, 2);
    expect(hello.assignments).toEqual([
      { assignment: offer.assignment, fencing: offer.fencing, state: "running" },
    ]);
    expect(build.request.signal.aborted).toBe(false);
    await worker.store.add("survivor", "still here");
    build.end({});
    expect((await resultOf(coordinator, offer.assignment)).result).toMatchObject({
      outcome: "built",
    });
    expect(worker.builds.all).toHaveLength(1);
  });

  test("loses and doubles no byte of a log", async () => {
    const farm = await startFarm();
    const { coordinator } = farm;
    const { offer, build } = await offerBuild(farm, "talker");
    const round = (name: string): string =>
      Array.from(
        { length: 2000 },
        (_, index) => `${name} ${index} ${"é€".repeat(index % 40)}\n`,
      ).join("");
    const rounds = ["first", "second", "third"].map(round);
    for (const [index, text] of rounds.entries()) {
      // Once with every piece acknowledged, once with none.
      coordinator.isAcknowledging = index !== 1;
      const seen = coordinator.all("log").length;
      for (const line of text.split(/(?<=\n)/)) build.request.onLog(line);
      await coordinator.message("log", () => true, seen + 1);
      coordinator.dropSocket();
      await coordinator.message("hello", () => true, index + 2);
    }
    coordinator.isAcknowledging = true;
    build.end({ status: 3, message: "done" });
    const { result } = await resultOf(coordinator, offer.assignment);
    const text = rounds.join("");
    expect(coordinator.log(offer.assignment)).toBe(text);
    expect(result).toMatchObject({ logBytes: Buffer.byteLength(text) });
  });

  test("and a coordinator that is away for longer than the build get the whole log and the result", async () => {
    const farm = await startFarm();
    const { offer, build } = await offerBuild(farm, "lonely");
    const { port } = farm.coordinator;
    await farm.coordinator[Symbol.asyncDispose]();
    // More than may be under way at once.
    const lines = Array.from(
      { length: 60_000 },
      (_, index) => `line ${index} · of the log, and some text\n`,
    );
    for (const line of lines) build.request.onLog(line);
    build.end({ status: 3, message: "failed while nobody listened" });
    const coordinator = await TestCoordinator.start(port);
    onTestFinished(() => coordinator[Symbol.asyncDispose]());
    const { result } = await resultOf(coordinator, offer.assignment);
    const text = lines.join("");
    expect(coordinator.log(offer.assignment)).toBe(text);
    expect(result).toMatchObject({ outcome: "build_failed", logBytes: Buffer.byteLength(text) });
  });

  test("that is only half open while the log flows loses and doubles no byte", async () => {
    const farm = await startFarm();
    const { coordinator } = farm;
    const { offer, build } = await offerBuild(farm, "half-open");
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index} ·\n`);
    for (const line of lines.slice(0, 1000)) build.request.onLog(line);
    await coordinator.message("log");
    coordinator.freeze();
    for (const line of lines.slice(1000, 2000)) build.request.onLog(line);
    await coordinator.message("hello", () => true, 2);
    for (const line of lines.slice(2000)) build.request.onLog(line);
    build.end({ status: 3, message: "done" });
    await resultOf(coordinator, offer.assignment);
    expect(coordinator.log(offer.assignment)).toBe(lines.join(""));
  });

  test("while a result is under way brings it again, and once acknowledged it is forgotten", async () => {
    const farm = await startFarm();
    const { coordinator, worker } = farm;
    const { offer, build } = await offerBuild(farm, "twice");
    coordinator.isAcknowledging = false;
    build.end({ status: 3, message: "no" });
    await resultOf(coordinator, offer.assignment);
    coordinator.isAcknowledging = true;
    coordinator.dropSocket();
    const hello = await coordinator.message("hello", () => true, 2);
    expect(hello.assignments).toMatchObject([{ assignment: offer.assignment, state: "finished" }]);
    await resultOf(coordinator, offer.assignment, 2);
    worker.stop.abort();
    await worker.ended;
    const journal = await Journal.open(`${farm.directory}/journal`, worker.log.logger);
    expect(journal.entries()).toEqual([]);
  });

  test("leads to a cancel or to silence when the coordinator says so", async () => {
    const farm = await startFarm({ maxConcurrentBuilds: 2 });
    const { coordinator } = farm;
    const cancelled = await offerBuild(farm, "cancelled");
    const dropped = await offerBuild(farm, "dropped");
    coordinator.reconcile = ({ assignment }) =>
      assignment === dropped.offer.assignment ? "drop" : "cancel";
    coordinator.dropSocket();
    expect((await resultOf(coordinator, cancelled.offer.assignment)).result).toMatchObject({
      outcome: "cancelled",
    });
    await dropped.build.ended;
    expect(dropped.build.request.signal.aborted).toBe(true);
    coordinator.dropSocket();
    const hello = await coordinator.message(
      "hello",
      ({ assignments }) => assignments.length === 0,
      2,
    );
    expect(hello.assignments).toEqual([]);
    expect(coordinator.all("result").map(({ assignment }) => assignment)).not.toContain(
      dropped.offer.assignment,
    );
  });
});

describe("offers", () => {
  test("beyond one more than the slots are declined with the reason", async () => {
    const farm = await startFarm();
    await offerBuild(farm, "a");
    for (const name of ["b", "c"]) {
      const { drvPath } = await farm.worker.store.addDerivation(name);
      farm.coordinator.send(offers.build(drvPath));
    }
    await farm.coordinator.message("accept", () => true, 2);
    const declined = await farm.coordinator.message("decline");
    expect(declined.reason).toBe("the worker has 2 build jobs and takes 2");
  });

  test.each([
    [{ system: "riscv64-linux" }, "the worker does not build for riscv64-linux"],
    [{ requiredFeatures: ["kvm", "big"] }, "the worker lacks the features kvm, big"],
  ])("for %o are declined", async (change, reason) => {
    const { coordinator } = await startFarm();
    coordinator.send(offers.build(storePath("x.drv"), change));
    expect((await coordinator.message("decline")).reason).toBe(reason);
  });

  test("that come twice are accepted twice and run once", async () => {
    const farm = await startFarm();
    const { offer } = await offerBuild(farm, "again");
    farm.coordinator.send(offer);
    await farm.coordinator.message("accept", () => true, 2);
    expect(farm.worker.builds.all).toHaveLength(1);
  });
});

describe("the end of the process", () => {
  test("drained: what runs is finished, nothing new is taken, then it ends", async () => {
    const farm = await startFarm();
    const { offer, build } = await offerBuild(farm, "last");
    farm.worker.drain.abort();
    await farm.coordinator.message("draining");
    farm.coordinator.send(offers.build(storePath("late.drv")));
    expect((await farm.coordinator.message("decline")).reason).toBe("the worker is draining");
    build.end({ status: 3 });
    await resultOf(farm.coordinator, offer.assignment);
    await farm.worker.ended;
  });

  test("stopped: a build that ends within the grace has its result", async () => {
    const farm = await startFarm();
    const { offer, build } = await offerBuild(farm, "quick");
    farm.worker.stop.abort();
    await farm.coordinator.message("draining");
    build.end({ status: 3 });
    await farm.worker.ended;
    expect((await resultOf(farm.coordinator, offer.assignment)).result).toMatchObject({
      outcome: "build_failed",
    });
  });

  test("stopped: after the grace builds are ended, and that is no fault of theirs", async () => {
    const farm = await startFarm({ shutdownGraceMs: 10 });
    const { offer } = await offerBuild(farm, "endless");
    farm.worker.stop.abort();
    await farm.worker.ended;
    expect((await resultOf(farm.coordinator, offer.assignment)).result).toMatchObject({
      outcome: "internal_error",
      message: "the worker was stopped while it ran",
      isInterruption: true,
    });
  });

  test("a result that nobody takes is sent after the next start", async () => {
    const farm = await startFarm({ shutdownGraceMs: 10 });
    const { offer } = await offerBuild(farm, "kept");
    const { port } = farm.coordinator;
    await farm.coordinator[Symbol.asyncDispose]();
    farm.worker.stop.abort();
    farm.worker.hurry.abort();
    await farm.worker.ended;
    const coordinator = await TestCoordinator.start(port);
    const worker = await TestWorker.start({ server: coordinator.url, directory: farm.directory });
    onTestFinished(async () => {
      await worker[Symbol.asyncDispose]();
      await coordinator[Symbol.asyncDispose]();
    });
    const { result } = await resultOf(coordinator, offer.assignment);
    expect(result).toMatchObject({ outcome: "internal_error" });
  });
});
