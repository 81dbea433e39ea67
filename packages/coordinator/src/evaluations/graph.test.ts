import type { Offer } from "@gradient/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { countUnfinishedBuilds } from "../db/evaluation-build-repository.ts";
import { makeDerivation, type TestDerivation } from "../test-objects.test-support.ts";
import {
  drvPathOf,
  evaluate,
  openScene,
  reportBuilt,
  type Scene,
} from "../test-scene.test-support.ts";
import { isActiveEvaluation, isEvaluationState } from "../scheduler/evaluation-state.ts";

interface Graph {
  /** For each derivation, which earlier ones it uses. */
  readonly edges: readonly (readonly number[])[];
  /** Derivations whose first attempt fails. */
  readonly failing: ReadonlySet<number>;
  /** What each evaluation wants. */
  readonly wanted: readonly (readonly number[])[];
  /** How many builds end before the next evaluation starts. */
  readonly pauses: readonly number[];
  /** After so many builds the first evaluation is aborted. */
  readonly abortAfter: number;
}

const SIZE = 14;
const indexes = fc.array(fc.nat(SIZE - 1), { minLength: 1, maxLength: 4 });

const graphs: fc.Arbitrary<Graph> = fc.record({
  edges: fc
    .array(fc.array(fc.nat(SIZE - 1), { maxLength: 3 }), { minLength: SIZE, maxLength: SIZE })
    .map((rows) => rows.map((row, at) => [...new Set(row)].filter((input) => input < at))),
  failing: fc.array(fc.nat(SIZE - 1), { maxLength: 2 }).map((list) => new Set(list)),
  wanted: fc.array(indexes, { minLength: 2, maxLength: 3 }),
  pauses: fc.array(fc.nat(4), { minLength: 3, maxLength: 3 }),
  abortAfter: fc.nat(12),
});

/** The derivations that a list needs, inputs first. */
function closureOf({ edges }: Graph, wanted: readonly number[]): number[] {
  const needed = new Set(wanted);
  for (let at = SIZE - 1; at >= 0; at--) {
    if (needed.has(at)) for (const input of edges[at] ?? []) needed.add(input);
  }
  return [...needed].toSorted((a, b) => a - b);
}

/** Runs the evaluations one after the other over one worker, with builds ending in between. */
class Run {
  readonly #scene: Scene;
  readonly #graph: Graph;
  readonly #derivations: TestDerivation[] = [];
  readonly #failed = new Set<number>();
  readonly #cancelled = new Set<number>();
  #ended = 0;
  #first: string | null = null;

  constructor(scene: Scene, graph: Graph) {
    this.#scene = scene;
    this.#graph = graph;
    for (const [at, row] of graph.edges.entries()) {
      this.#derivations.push(makeDerivation(`d${at}`, { inputs: this.#select(row) }));
    }
  }

  async all(): Promise<void> {
    const { farm, organization } = this.#scene;
    for (const [at, wanted] of this.#graph.wanted.entries()) {
      const needed = closureOf(this.#graph, wanted);
      const jobs = this.#select(needed.filter((index) => wanted.includes(index)));
      const project = await farm.addProject(organization.id);
      // Jobs come again as the last of their bundle: sending a file twice is harmless.
      const id = await evaluate(this.#scene, jobs, this.#select(needed), project);
      this.#first ??= id;
      await this.#work(this.#graph.pauses[at] ?? 0);
    }
    await this.#work(Number.POSITIVE_INFINITY);
  }

  #select(list: readonly number[]): TestDerivation[] {
    return list.flatMap((at) => this.#derivations[at] ?? []);
  }

  /** Ends so many builds, or all that are offered. */
  async #work(count: number): Promise<void> {
    const { worker, farm } = this.#scene;
    for (let done = 0; done < count; done++) {
      await worker.settle();
      if (worker.pending("offer") === 0) return;
      await this.#end(await worker.takeOffer("build"));
      this.#ended += 1;
      if (this.#ended === this.#graph.abortAfter && this.#first !== null) {
        await farm.farm.evaluations.abort(this.#first);
      }
    }
  }

  async #end(offer: Offer): Promise<void> {
    const { worker } = this.#scene;
    const at = this.#derivations.findIndex(({ path }) => path === drvPathOf(offer));
    const derivation = this.#derivations[at];
    if (derivation === undefined) throw new Error("an unknown derivation was offered");
    await worker.settle();
    while (worker.pending("cancel") > 0) this.#cancelled.add((await worker.next("cancel")).fencing);
    if (this.#cancelled.has(offer.fencing)) return;
    if (this.#graph.failing.has(at) && !this.#failed.has(at)) {
      this.#failed.add(at);
      worker.sendResult(offer, { outcome: "build_failed" });
    } else {
      await reportBuilt(worker, offer, derivation, this.#select(this.#graph.edges[at] ?? []));
    }
    await worker.next("ack");
  }
}

test("whatever fails, is shared or aborted: every evaluation ends, no build is stuck, and the counters are true", async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async (graph) => {
      await using scene = await openScene();
      await new Run(scene, graph).all();
      const { kysely } = scene.farm.database;
      const evaluations = await kysely
        .selectFrom("evaluations")
        .select(["id", "state", "unfinished_builds"])
        .execute();
      const active = evaluations.filter(
        ({ state }) => isEvaluationState(state) && isActiveEvaluation(state),
      );
      expect(active).toEqual([]);
      for (const { id, state, unfinished_builds } of evaluations) {
        if (state !== "Aborted")
          expect(unfinished_builds).toBe(await countUnfinishedBuilds(kysely, id));
      }
      const stuck = await kysely
        .selectFrom("builds")
        .select(["id", "state"])
        .where("state", "in", ["Created", "Queued", "Building", "FailedTransient"])
        .execute();
      expect(stuck).toEqual([]);
      expect(await kysely.selectFrom("assignments").select("fencing").execute()).toEqual([]);
    }),
    { numRuns: 12 },
  );
}, 120_000);
