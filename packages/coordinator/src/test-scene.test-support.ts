import type { Offer, StorePath } from "@gradient/protocol";
import {
  makeSource,
  outputOf,
  makeOutput,
  type TestDerivation,
  type TestObject,
} from "./test-objects.test-support.ts";
import type { BuildSettings } from "./rules/build-settings.ts";
import { TestFarm, type TestFarmOptions, type TestOrganization } from "./test-farm.test-support.ts";
import { expectOk, type TestWorker } from "./test-worker.test-support.ts";

/** A farm, one organization with a project and a cache, and one connected worker. */
export interface Scene extends AsyncDisposable {
  readonly farm: TestFarm;
  readonly organization: TestOrganization;
  readonly worker: TestWorker;
}

export async function openScene(options: TestFarmOptions = {}): Promise<Scene> {
  const farm = await TestFarm.open(options);
  const organization = await farm.addOrganization();
  const worker = await farm.addWorker(organization.id);
  await worker.connect();
  return { farm, organization, worker, [Symbol.asyncDispose]: () => farm[Symbol.asyncDispose]() };
}

/** Starts an evaluation and does its fetch. Resolves to its id. */
export async function startFetched(
  scene: Scene,
  project = scene.organization.project,
  settings?: BuildSettings,
): Promise<string> {
  const { farm, worker } = scene;
  const evaluation = await farm.farm.evaluations.start({
    projectId: project,
    triggeredBy: null,
    ...(settings === undefined ? {} : { settings }),
  });
  const offer = await worker.takeOffer("fetch");
  const source = await makeSource("source", `tree of ${evaluation}`);
  await worker.uploadSources(offer.assignment, source);
  finishFetch(worker, offer, source.facts.path);
  await worker.next("ack");
  return evaluation;
}

/** Does an evaluation whose jobs are the given derivations; `others` are uploaded, too. */
export async function evaluate(
  scene: Scene,
  jobs: readonly TestDerivation[],
  others: readonly TestDerivation[] = [],
  project?: string,
  settings?: BuildSettings,
): Promise<string> {
  const { worker } = scene;
  const evaluation = await startFetched(scene, project, settings);
  const offer = await worker.takeOffer("eval");
  await worker.uploadDerivations(offer.assignment, ...others, ...jobs);
  worker.sendJobs(
    offer,
    jobs.map(({ path, derivation }) => ({
      outcome: "derivation",
      attribute: [derivation.env.get("name") ?? ""],
      drvPath: path,
    })),
  );
  await worker.next("eval-ack");
  finishEvaluation(worker, offer, 1);
  await worker.next("ack");
  return evaluation;
}

/** `source`: path of the fetched tree. */
export function finishFetch(
  worker: TestWorker,
  { assignment, fencing }: Offer,
  source: StorePath | null,
): void {
  const commit = { hash: "a".repeat(40), message: "m", authorName: "n", authorEmail: "e" };
  const result = { kind: "fetch", failure: null, commit, source, usage: null } as const;
  worker.send({ type: "result", assignment, fencing, result });
}

export function finishEvaluation(
  worker: TestWorker,
  { assignment, fencing }: Offer,
  batches: number,
): void {
  worker.send({
    type: "result",
    assignment,
    fencing,
    result: { kind: "eval", failure: null, batches, usage: null },
  });
}

/** Output of a derivation, referring to the outputs of its inputs. */
export async function outputFor(
  derivation: TestDerivation,
  inputs: readonly TestDerivation[] = [],
): Promise<TestObject> {
  return makeOutput(outputOf(derivation), { references: inputs.map((input) => outputOf(input)) });
}

/** Uploads the one output and reports the build as done. Does not wait for the answer. */
export async function reportBuilt(
  worker: TestWorker,
  offer: Offer,
  derivation: TestDerivation,
  inputs: readonly TestDerivation[] = [],
): Promise<void> {
  const output = await outputFor(derivation, inputs);
  await expectOk(await worker.uploadNar(offer.assignment, output));
  worker.sendResult(offer, { outputs: [{ name: "out", facts: worker.sign(output.facts) }] });
}

/** Path of the derivation that an offer is about. */
export function drvPathOf(offer: Offer): string {
  if (offer.spec.kind !== "build")
    throw new Error(`the offer is a ${offer.spec.kind}, not a build`);
  return offer.spec.drvPath;
}

export async function buildStates(farm: TestFarm): Promise<Record<string, string>> {
  const rows = await farm.database.kysely
    .selectFrom("builds")
    .innerJoin("derivations", "derivations.id", "builds.derivation_id")
    .select(["derivations.name", "builds.state"])
    .orderBy("derivations.name")
    .execute();
  return Object.fromEntries(rows.map(({ name, state }) => [name, state]));
}

export async function evaluationState(farm: TestFarm, id: string): Promise<string | undefined> {
  const row = await farm.database.kysely
    .selectFrom("evaluations")
    .select("state")
    .where("id", "=", id)
    .executeTakeFirst();
  return row?.state;
}
