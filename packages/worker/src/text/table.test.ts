import { expect, test } from "vitest";
import { fittingTableLines, tableLines } from "./table.ts";

const ROWS = [
  ["derivation", "wall"],
  ["a-long-name-of-a-derivation", "1.20 s"],
];

test("columns are as wide as they need to be", () => {
  expect(tableLines(ROWS)).toEqual([
    "derivation                   wall",
    "a-long-name-of-a-derivation  1.20 s",
  ]);
  expect(fittingTableLines(ROWS, 36)).toEqual(tableLines(ROWS));
});

test("names are cut for a terminal, and stay readable in a small one", () => {
  expect(fittingTableLines(ROWS, 30)).toEqual([
    "derivation             wall",
    "a-long-name-of-a-der…  1.20 s",
  ]);
  expect(fittingTableLines(ROWS, 10)[1]).toBe("a-long-name…  1.20 s");
});
