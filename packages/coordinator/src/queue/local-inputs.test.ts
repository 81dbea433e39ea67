import { fencingSchema, workerIdSchema } from "@gradient/protocol";
import { v4 } from "uuid";
import { expect, test } from "vitest";
import { LocalInputs } from "./local-inputs.ts";

const [left, right] = [workerIdSchema.parse(v4()), workerIdSchema.parse(v4())];
const [first, second] = [fencingSchema.parse(1), fencingSchema.parse(2)];

test("a build with inputs that two workers upload is nowhere until one of them has", () => {
  const local = new LocalInputs();
  local.add({ fencing: first, worker: left, users: [7, 8] });
  local.add({ fencing: second, worker: right, users: [8] });
  const whoCan = (build: number) => [left, right].filter((id) => local.isReachable(build, id));
  expect([7, 8, 9].map(whoCan)).toEqual([[left], [], [left, right]]);
  local.remove(first);
  expect([7, 8].map(whoCan)).toEqual([[left, right], [right]]);
  local.remove(second);
  local.remove(second);
  expect(whoCan(8)).toEqual([left, right]);
});
