import { runInForeground } from "./lib/foreground.mjs";
import { entries } from "./lib/layout.mjs";
import { setUp } from "./lib/setup.mjs";
import { runMain } from "./lib/step.mjs";

/** `npm run bench`: both sides of every comparison on this machine. Arguments go to the benchmark. */
await runMain(async () => {
  await setUp(["nginx", "wrk"]);
  return runInForeground(process.execPath, [entries.benchmark, ...process.argv.slice(2)]);
});
