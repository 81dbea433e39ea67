import { aloneRows } from "./alone.ts";
import { apiRows } from "./api.ts";
import { cacheRows } from "./cache.ts";
import { collectionRows } from "./collection.ts";
import { controlRows } from "./control-latency.ts";
import { criticalPathRows, criticalPathRowsWithoutUsers } from "./critical-path.ts";
import { evaluationRows } from "./evaluation.ts";
import { graphRows } from "./graph.ts";
import { intakeRows } from "./intake.ts";
import { report } from "./report.ts";
import { usageRows } from "./usage.ts";
import { transferRows } from "./transfer.ts";

/** Runs both sides of every comparison in one go. Arguments name the groups to run; all when there are none. */
const groups = {
  graph: graphRows,
  path: criticalPathRows,
  "path-without-users": criticalPathRowsWithoutUsers,
  cache: cacheRows,
  intake: intakeRows,
  usage: usageRows,
  transfer: transferRows,
  control: controlRows,
  eval: evaluationRows,
  alone: aloneRows,
  api: apiRows,
  collection: collectionRows,
} as const;

function isGroup(name: string): name is keyof typeof groups {
  return name in groups;
}

// Where it is set, each start of Node reads certificates for 40 ms.
delete process.env["NODE_EXTRA_CA_CERTS"];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !isGroup(name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such group: ${unknown.join(", ")}; there are ${Object.keys(groups).join(", ")}\n`,
  );
  process.exitCode = 1;
} else {
  const names = wanted.length === 0 ? Object.keys(groups) : wanted;
  const rows = [];
  for (const name of names.filter(isGroup)) rows.push(...(await groups[name]()));
  process.stdout.write(`\n${report(rows)}\n`);
}
