import { buildPackages } from "./lib/build.mjs";
import { root } from "./lib/layout.mjs";
import { daemons, packDaemon } from "./lib/pack.mjs";
import { runMain } from "./lib/step.mjs";

/** `npm run pack -- [DIRECTORY]`: a tarball of each daemon, which `npm install FILE` installs. Prints the files. */
await runMain(async () => {
  await buildPackages(root);
  const destination = process.argv[2] ?? ".";
  for (const name of daemons) {
    process.stdout.write(`${await packDaemon(root, name, destination)}\n`);
  }
  return 0;
});
