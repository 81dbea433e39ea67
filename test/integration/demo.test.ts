import { expect, test } from "vitest";
import { reasonIn } from "../demo/reason.ts";

test("the reason that a daemon gives is its own sentence, not the end of a stack", () => {
  const output = `{"level":30,"msg":"starting"}
gradient-coordinator: this is a bug
SqliteError: no such column: x
    at Database.prepare (/somewhere/wrappers.js:5:21)
    at async restore (/somewhere/farm.js:108:5)
`;
  expect(reasonIn(output)).toBe(
    "gradient-coordinator: this is a bug SqliteError: no such column: x",
  );
  expect(reasonIn("gradient-worker: the state directory is in use\n")).toBe(
    "gradient-worker: the state directory is in use",
  );
  expect(reasonIn("")).toBe("it said nothing");
});
