import { describe, expect, onTestFinished, test } from "vitest";
import type { EvaluatedJob } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import type { EvaluationEvent, Evaluator } from "../../ports.ts";
import { Offers, storePath } from "../../testing/offers.ts";
import { scriptedEvaluator } from "../../testing/scripted-nix.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { TestCoordinator } from "../../testing/test-coordinator.ts";
import { TestWorker } from "../../testing/test-worker.ts";

const offers = new Offers();

async function start(evaluate: Evaluator["evaluate"]) {
  const coordinator = await TestCoordinator.start();
  const directory = await temporaryDirectory();
  const evaluator = scriptedEvaluator(evaluate);
  const worker = await TestWorker.start({ server: coordinator.url, directory, evaluator });
  onTestFinished(async () => {
    await worker[Symbol.asyncDispose]();
    await coordinator[Symbol.asyncDispose]();
  });
  await coordinator.message("auth");
  const source = (await worker.store.add("source", "a tree")).path;
  const run = async () => {
    const offer = offers.eval(source);
    coordinator.send(offer);
    const { result } = await coordinator.message(
      "result",
      ({ assignment }) => assignment === offer.assignment,
    );
    return result;
  };
  const jobs = (): EvaluatedJob[] => coordinator.all("eval-jobs").flatMap((batch) => batch.jobs);
  return { coordinator, worker, source, run, jobs };
}

function found(attribute: string, drvPath: string): EvaluationEvent {
  return { type: "job", job: { outcome: "derivation", attribute: [attribute], drvPath } };
}

function failed(attribute: string, error: string): EvaluationEvent {
  return { type: "job", job: { outcome: "error", attribute: [attribute], error } };
}

describe("an evaluation", () => {
  test("hands over derivations, inputs first, and their sources before it names the attributes", async () => {
    let drvs = { base: "", top: "" };
    const { coordinator, worker, run, jobs } = await start(async function* () {
      yield found("top", drvs.top);
      yield found("base", drvs.base);
      yield failed("broken", "undefined variable 'x'");
    });
    const text = await worker.store.add("text", "included", []);
    const script = await worker.store.add("script", "#!/bin/sh\n", [text.path]);
    const base = await worker.store.addDerivation("base", { sources: [script.path] });
    const middle = await worker.store.addDerivation("middle", { drvs: [base.drvPath] });
    const top = await worker.store.addDerivation("top", { drvs: [middle.drvPath, base.drvPath] });
    drvs = { base: base.drvPath, top: top.drvPath };

    expect(await run()).toMatchObject({ kind: "eval", failure: null, batches: 1 });
    expect(coordinator.transfers.derivations.map((name) => name.slice(33))).toEqual([
      "base.drv",
      "middle.drv",
      "top.drv",
    ]);
    expect(coordinator.transfers.paths.get(script.path)).toMatchObject({
      references: [text.path],
      signatures: [`worker-test-1:signature of ${script.path}`],
    });
    expect(jobs().map(({ attribute }) => attribute)).toEqual([["top"], ["base"], ["broken"]]);
    const order = coordinator.transfers.requests.map(({ method, path }) => `${method} ${path}`);
    expect(order.indexOf("POST /paths")).toBeLessThan(order.indexOf("PUT /derivations"));
  });

  test("asks once for what is known, and looks at nothing below it", async () => {
    let top = "";
    const { coordinator, worker, run } = await start(async function* () {
      yield found("top", top);
    });
    const drv = await worker.store.addDerivation("known", { drvs: [storePath("not-here.drv")] });
    top = drv.drvPath;
    coordinator.transfers.drvFiles.set(top.slice("/nix/store/".length), Buffer.alloc(0));
    expect(await run()).toMatchObject({ failure: null });
    expect(coordinator.transfers.derivations).toEqual([]);
    expect(coordinator.transfers.requests).toHaveLength(1);
  });

  test("delivers while it runs", async () => {
    let goOn: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { coordinator, run, jobs } = await start(async function* () {
      yield failed("early", "bad");
      await waiting;
      yield failed("late", "bad");
    });
    const result = run();
    await coordinator.message("eval-jobs");
    expect(jobs()).toHaveLength(1);
    goOn();
    expect(await result).toMatchObject({ batches: 2 });
    expect(coordinator.all("eval-jobs").map(({ sequence }) => sequence)).toEqual([0, 1]);
  });

  test("that fails as a whole delivers what it had found before", async () => {
    const { run, jobs } = await start(async function* () {
      yield failed("one", "bad");
      yield { type: "message", message: { level: "Warning", text: "careful" } };
      throw new WorkerError("evaluation", "default.nix:3:1: syntax error");
    });
    expect(await run()).toMatchObject({
      failure: { message: "default.nix:3:1: syntax error", isTransient: false },
      batches: 1,
    });
    expect(jobs()).toHaveLength(1);
  });

  test("of a source that no cache has says what to do", async () => {
    const { coordinator } = await start(async function* () {});
    coordinator.send(offers.eval(storePath("gone")));
    const { result } = await coordinator.message("result");
    expect(result).toMatchObject({
      failure: {
        message: `no cache of the organization has ${storePath("gone")}: the commit has to be fetched again`,
      },
    });
  });

  test("ends when it is cancelled", async () => {
    const { coordinator, source } = await start(async function* ({ signal }) {
      yield failed("one", "bad");
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("stopped")));
      });
    });
    const offer = offers.eval(source);
    coordinator.send(offer);
    await coordinator.message("eval-jobs");
    const { assignment, fencing } = offer;
    coordinator.send({ type: "cancel", assignment, fencing, reason: "aborted" });
    const { result } = await coordinator.message("result");
    expect(result).toMatchObject({
      failure: { message: "cancelled: aborted", isTransient: false },
    });
  });
});

describe("an outage is not a miss", () => {
  test("a coordinator that fails for a while is asked again", async () => {
    let top = "";
    const { coordinator, worker, run } = await start(async function* () {
      yield found("top", top);
    });
    const source = await worker.store.add("script", "x");
    top = (await worker.store.addDerivation("top", { sources: [source.path] })).drvPath;
    const busy = { status: 503, body: { code: "busy", error: "not now" } };
    coordinator.transfers.faults.push(
      { method: "POST", path: /unknown/, ...busy },
      { method: "POST", path: /closure/, ...busy },
      { method: "PUT", path: /nar/, ...busy },
      { method: "POST", path: /paths/, ...busy },
      { method: "PUT", path: /derivations/, ...busy },
    );
    expect(await run()).toMatchObject({ failure: null, batches: 1 });
    expect(coordinator.transfers.derivations).toHaveLength(1);
    expect(coordinator.transfers.paths.has(source.path)).toBe(true);
  });

  test("a refusal ends the evaluation with the coordinator's words", async () => {
    let top = "";
    const { coordinator, worker, run } = await start(async function* ({ signal }) {
      yield found("top", top);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    top = (await worker.store.addDerivation("top")).drvPath;
    const body = { code: "bad_derivation", error: "top.drv is damaged" };
    coordinator.transfers.faults.push({ method: "PUT", path: /derivations/, status: 422, body });
    expect(await run()).toMatchObject({
      failure: { message: "upload of derivations: top.drv is damaged", isTransient: false },
      batches: 0,
    });
  });

  test("a session that ends in the middle is waited for", async () => {
    let top = "";
    const { coordinator, worker, run } = await start(async function* () {
      coordinator.dropSocket();
      yield found("top", top);
    });
    top = (await worker.store.addDerivation("top")).drvPath;
    expect(await run()).toMatchObject({ failure: null });
    expect(coordinator.connections).toBe(2);
    expect(coordinator.transfers.derivations).toHaveLength(1);
  });
});
