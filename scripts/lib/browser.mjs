import { CommandError } from "./command.mjs";
import { meetRequirements } from "./requirements.mjs";
import { SetupError } from "./setup-error.mjs";

/** Sees that there is a Chromium, and says what follows where none can be had: tests that need one are skipped. */
export async function provideBrowser() {
  try {
    return await meetRequirements(["chromium"]);
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof CommandError)) throw error;
    return "no Chromium can be had here: pages are not tested in a browser";
  }
}
