import { expect, test } from "vitest";
import { buildWords } from "./api-words.ts";
import { attemptTransitions } from "./attempt-state.ts";
import { BUILD_STATES, buildTransitions, isUnfinishedBuild } from "./build-state.ts";
import { evaluationTransitions } from "./evaluation-state.ts";
import { moveOf, transit, type TransitionTable } from "./transition.ts";

test("an ended build is left only by a thaw, a successful one only when its outputs vanished", () => {
  for (const state of BUILD_STATES) {
    if (isUnfinishedBuild(state)) continue;
    const events = Object.keys(buildTransitions[state]);
    expect(events).toEqual([
      buildWords(state, null).gradient === "Completed" || state === "Substituted"
        ? "outputs-missing"
        : "thawed",
    ]);
  }
});

test("every unfinished build can be aborted", () => {
  expect(moveOf(buildTransitions, "aborted").from.toSorted()).toEqual(
    BUILD_STATES.filter(isUnfinishedBuild).toSorted(),
  );
});

test("a refusal names the thing, its state and what is possible", () => {
  const result = transit(buildTransitions, "build 7", "Created", "built");
  expect(result).toEqual({
    isAllowed: false,
    reason:
      "build 7 is Created: 'built' is not possible (possible: ready, substituted, dependency-failed, aborted)",
  });
});

test("an attempt that ran out of memory says so in Gradient's words, and failed otherwise in Cuirass's", () => {
  const end = transit(attemptTransitions, "attempt 1", "running", "memory-exceeded");
  expect(end).toEqual({ isAllowed: true, next: "max_memory_exceeded" });
  expect(buildWords("FailedPermanent", "max_memory_exceeded")).toEqual({
    gradient: "FailedPermanent",
    reason: "out of memory",
    cuirass: 3,
  });
});

test("an event leads to one state, wherever it happens: statements over many rows rely on it", () => {
  for (const event of eventsOf(buildTransitions)) {
    expect(() => moveOf(buildTransitions, event)).not.toThrow();
  }
  for (const event of eventsOf(evaluationTransitions)) {
    expect(() => moveOf(evaluationTransitions, event)).not.toThrow();
  }
});

/** Every event that stands anywhere in the table. */
function eventsOf<State extends string, Event extends string>(
  table: TransitionTable<State, Event>,
): Event[] {
  const rows = Object.values<Readonly<Partial<Record<Event, State>>>>(table);
  const isEvent = (text: string): text is Event => rows.some((row) => Object.hasOwn(row, text));
  return rows.flatMap((row) => Object.keys(row).filter(isEvent));
}
