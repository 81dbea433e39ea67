import { setUp } from "./lib/setup.mjs";
import { runMain } from "./lib/step.mjs";

/** `npm run setup`: everything that the other commands do first. */
await runMain(async () => {
  await setUp();
  return 0;
});
