import { runInForeground } from "./lib/foreground.mjs";
import { entries } from "./lib/layout.mjs";
import { setUp } from "./lib/setup.mjs";
import { runMain } from "./lib/step.mjs";

/** `npm start`: from a clean clone to the demonstration, which stays up. Arguments go to it. */
await runMain(async () => {
  await setUp();
  return runInForeground(process.execPath, [entries.demonstration, ...process.argv.slice(2)]);
});
