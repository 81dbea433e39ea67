import { CommandError } from "./command.mjs";
import { meetRequirements } from "./requirements.mjs";
import { SetupError } from "./setup-error.mjs";

/** Sees that the machine has something that some tests want, and says what follows where it cannot be had: they are skipped. */
export async function provideWhereItCanBeHad(name, otherwise) {
  try {
    return await meetRequirements([name]);
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof CommandError)) throw error;
    return `no ${name} can be had here: ${otherwise}`;
  }
}
