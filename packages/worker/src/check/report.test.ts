import { expect, test } from "vitest";
import type { Finding } from "./finding.ts";
import { canRun, formatJson, formatReport } from "./report.ts";

const well: Finding = {
  area: "machine",
  name: "node",
  status: "ok",
  found: "Node 20.19.0",
  change: null,
};
const lacking: Finding = {
  area: "fetch",
  name: "ssh",
  status: "warning",
  found: "ssh is not on PATH",
  change: "install it",
};
const broken: Finding = { ...lacking, name: "git", status: "failure" };

test("the report has a line for each finding, and below it what to change", () => {
  expect(formatReport([well, lacking])).toBe(`Machine
  ok       node             Node 20.19.0
Fetch
  warning  ssh              ssh is not on PATH
                            -> install it

A worker can run here (1 warning).
`);
});

test("warnings do not keep a worker from running, failures do", () => {
  expect(canRun([well, lacking])).toBe(true);
  expect(canRun([well, broken])).toBe(false);
  expect(formatReport([broken, lacking])).toContain(
    "A worker cannot run here: 1 failure, 1 warning.",
  );
});

test("programs get the same as one object", () => {
  expect(JSON.parse(formatJson([well, broken]))).toEqual({
    canRun: false,
    findings: [well, broken],
  });
});
