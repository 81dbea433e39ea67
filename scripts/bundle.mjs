import { bundleWorker } from "./lib/bundle.mjs";
import { root } from "./lib/layout.mjs";
import { runMain } from "./lib/step.mjs";

/** The end of `npm run build`, which has compiled the packages. */
await runMain(async () => {
  await bundleWorker(root);
  return 0;
});
