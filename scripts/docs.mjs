import { readFile, writeFile } from "node:fs/promises";
import { protocolPage } from "./lib/protocol-page.mjs";
import { settingsPage } from "./lib/settings-page.mjs";
import { SetupError } from "./lib/setup-error.mjs";
import { runMain } from "./lib/step.mjs";

const PAGES = [
  { name: "settings.md", make: settingsPage },
  { name: "protocol.md", make: protocolPage },
];

/** `npm run docs`: writes the pages that are made from the built packages. With `--check` it only says whether they are what those say. */
await runMain(async () => {
  const isCheck = process.argv.includes("--check");
  for (const { name, make } of PAGES) {
    const file = new URL(`../docs/${name}`, import.meta.url);
    const page = await make();
    if (!isCheck) {
      await writeFile(file, page);
      continue;
    }
    if ((await readFile(file, "utf8").catch(() => "")) === page) continue;
    throw new SetupError(
      `docs/${name} is not what it is made from: run \`npm run docs\` and commit the file`,
    );
  }
  return 0;
});
