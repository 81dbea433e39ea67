import { expect, test } from "vitest";
import { scriptedMeters } from "../testing/scripted-nix.ts";
import { checkEvaluators } from "./accounting.ts";
import { Findings } from "./finding.ts";

test.each([
  { isBehindDaemon: false, isRoot: false, status: "ok" },
  { isBehindDaemon: true, isRoot: true, status: "ok" },
  { isBehindDaemon: true, isRoot: false, status: "warning" },
])(
  "builds that evaluation imports from are without limits only in a daemon that is not ours: $status",
  async ({ isBehindDaemon, isRoot, status }) => {
    const findings = new Findings("accounting");
    await checkEvaluators(findings, scriptedMeters, { isBehindDaemon, isRoot });
    expect(findings.list).toEqual([expect.objectContaining({ name: "evaluators", status })]);
  },
);
