import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { EvaluationEvent } from "../../ports.ts";
import { type Batch, Delivery } from "./delivery.ts";

function job(name: string): EvaluationEvent {
  return { type: "job", job: { outcome: "error", attribute: [name], error: "bad" } };
}

function start() {
  const batches: string[][] = [];
  const delivery = new Delivery(async ({ jobs }: Batch) => {
    batches.push(jobs.map(({ attribute }) => attribute.join(".")));
  });
  return { batches, delivery };
}

test("what is found first waits for nothing, so that its build starts at once", async () => {
  const { batches, delivery } = start();
  delivery.add(job("first"));
  delivery.add(job("in the same turn"));
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  expect(batches).toEqual([["first", "in the same turn"]]);
  await delivery.end();
});

test("what is found after that goes together", async () => {
  const { batches, delivery } = start();
  delivery.add(job("first"));
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  delivery.add(job("a"));
  delivery.add(job("b"));
  await delivery.end();
  expect(batches).toEqual([["first"], ["a", "b"]]);
});
