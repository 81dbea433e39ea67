import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./lib/layout.mjs";
import { renderUnits } from "./lib/units.mjs";
import { runMain } from "./lib/step.mjs";

/** `npm run units`: writes the files of systemd/ from what the NixOS modules use. */
await runMain(async () => {
  for (const [name, text] of Object.entries(await renderUnits(root))) {
    await writeFile(join(root, "systemd", name), text);
  }
  return 0;
});
