import { installNix, nixReleases } from "./lib/nix-releases.mjs";
import { SetupError } from "./lib/setup-error.mjs";
import { runMain, runStep } from "./lib/step.mjs";

/** `node scripts/nix-version.mjs 2.26`: puts that Nix beside the machine's own. Its directory goes in front of PATH. */
await runMain(async () => {
  const releases = process.argv.slice(2);
  if (releases.length === 0) {
    throw new SetupError(`name one or more versions: ${Object.keys(nixReleases).join(", ")}`);
  }
  for (const release of releases) {
    await runStep(`Nix ${release}`, async () => {
      const { version, directory } = await installNix(release);
      return `${version} in ${directory}/bin`;
    });
  }
  return 0;
});
