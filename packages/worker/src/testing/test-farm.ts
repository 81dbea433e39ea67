import { onTestFinished } from "vitest";
import type { Signer } from "../ports.ts";
import { Offers } from "./offers.ts";
import { temporaryDirectory } from "./temporary-directory.ts";
import { TestCoordinator } from "./test-coordinator.ts";
import { TestWorker } from "./test-worker.ts";

export const offers = new Offers();

export type TestFarm = Awaited<ReturnType<typeof startFarm>>;

/** A coordinator and a worker that is connected to it, for one test. */
export async function startFarm(
  options: { maxConcurrentBuilds?: number; shutdownGraceMs?: number; signer?: Signer } = {},
) {
  const coordinator = await TestCoordinator.start();
  const directory = await temporaryDirectory();
  const worker = await TestWorker.start({ server: coordinator.url, directory, ...options });
  onTestFinished(async () => {
    await worker[Symbol.asyncDispose]();
    await coordinator[Symbol.asyncDispose]();
  });
  await coordinator.message("auth");
  return { coordinator, worker, directory };
}

/** Offers a build, and waits until it runs. */
export async function offerBuild({ coordinator, worker }: TestFarm, name: string) {
  const { drvPath, output } = await worker.store.addDerivation(name);
  const offer = offers.build(drvPath);
  coordinator.send(offer);
  const build = await worker.builds.started(worker.builds.all.length + 1);
  return { offer, output, build };
}

export function resultOf(coordinator: TestCoordinator, assignment: string, count = 1) {
  return coordinator.message("result", (message) => message.assignment === assignment, count);
}
