import { expect, test } from "vitest";
import { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import { Foresight } from "./foresight.ts";

const ASKS = 26;

function bytesOf(request: Request | null | undefined): number[] | null | undefined {
  return request instanceof Request ? [...request.bytes()] : request;
}

/** Answers 1, and 2 to what is asked next of the path. */
function join(foresight: Foresight, path: string): number[] | null | undefined {
  const next = { operation: ASKS, path, answer: () => new Request().number(2), next: null };
  return bytesOf(foresight.join(new Request().number(1), next));
}

const ONE = [...new Request().number(1).bytes()];
const TWO = [...new Request().number(2).bytes()];

test("what a client has asked once is answered before it asks again", () => {
  const foresight = new Foresight();
  expect(join(foresight, "a")).toEqual(ONE);
  expect(bytesOf(foresight.take(ASKS, "a"))).toEqual(TWO);
  expect(foresight.isAhead).toBe(false);
  expect(join(foresight, "b")).toEqual([...ONE, ...TWO]);
  expect(foresight.isAhead).toBe(true);
  expect(foresight.take(ASKS, "b")).toBeNull();
  expect(foresight.isAhead).toBe(false);
  expect(foresight.take(ASKS, "b")).toBeUndefined();
});

test("a client that asks something else has no such habit", () => {
  const foresight = new Foresight();
  join(foresight, "a");
  expect(foresight.take(ASKS, "b")).toBeUndefined();
  join(foresight, "c");
  foresight.take(1, "");
  expect(join(foresight, "d")).toEqual(ONE);
});

test("an answer that would be taken for another one is noticed", () => {
  const foresight = new Foresight();
  join(foresight, "a");
  foresight.take(ASKS, "a");
  join(foresight, "b");
  expect(() => foresight.take(ASKS, "c")).toThrow(DaemonProtocolError);
  expect(() => foresight.take(1, "")).toThrow(DaemonProtocolError);
});

test("habits are learned one after the other, and then all of it is answered at once", () => {
  const foresight = new Foresight();
  const last = { operation: 8, path: "a", answer: () => new Request().number(3), next: null };
  const next = { operation: ASKS, path: "a", answer: () => new Request().number(2), next: last };
  const joined = () => bytesOf(foresight.join(new Request().number(1), next));
  const three = [...new Request().number(3).bytes()];
  expect(joined()).toEqual(ONE);
  expect(bytesOf(foresight.take(ASKS, "a"))).toEqual(TWO);
  expect(bytesOf(foresight.take(8, "a"))).toEqual(three);
  expect(joined()).toEqual([...ONE, ...TWO, ...three]);
  expect(foresight.take(ASKS, "a")).toBeNull();
  expect(foresight.take(8, "a")).toBeNull();
});
