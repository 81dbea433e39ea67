import { runChecks } from "./lib/checks.mjs";
import { runMain } from "./lib/step.mjs";

/** `npm run check`: the checks of `npm test`, without its tests. */
await runMain(async () => ((await runChecks()) === 0 ? 0 : 1));
