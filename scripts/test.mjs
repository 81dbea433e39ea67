import { provideWhereItCanBeHad } from "./lib/optional.mjs";
import { runChecks } from "./lib/checks.mjs";
import { runTests } from "./lib/run-tests.mjs";
import { setUp } from "./lib/setup.mjs";
import { nixReleases, provideNix } from "./lib/nix-releases.mjs";
import { provideSshd } from "./lib/sshd.mjs";
import { runMain, runStep } from "./lib/step.mjs";

/**
 * `npm test`: from a clean clone to the checks of the code and all tests, those that meet Nix with several versions of it.
 * With arguments, vitest gets them and runs alone.
 * The last line is `N passed, N failed`; a failed check counts as one failed test.
 */
await runMain(async () => {
  const args = process.argv.slice(2);
  await setUp(["nginx", "systemd", "shellTools", "ssh", "openssl"]);
  await runStep("browser", () =>
    provideWhereItCanBeHad("chromium", "pages are not tested in a browser"),
  );
  await runStep("caddy", () => provideWhereItCanBeHad("caddy", "its site is not tested"));
  await runStep("sshd", provideSshd);
  const failedChecks = args.length === 0 ? await prepareAll() : 0;
  const { passed, failed } = await runTests(args);
  process.stdout.write(`${passed} passed, ${failed + failedChecks} failed\n`);
  return failed + failedChecks === 0 ? 0 : 1;
});

/** What goes before a run of all tests. Resolves to the number of failed checks. */
async function prepareAll() {
  for (const release of Object.keys(nixReleases)) {
    await runStep(`nix ${release}`, () => provideNix(release));
  }
  return runChecks();
}
