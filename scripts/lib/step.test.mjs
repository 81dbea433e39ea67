import { expect, test } from "vitest";
import { runCommand } from "./command.mjs";
import { SetupError } from "./setup-error.mjs";
import { describeFailure } from "./step.mjs";

test("a failed command is shown with all that it printed, its line and its outcome", async () => {
  const failure = await runCommand("sh", ["-c", "echo one; echo two >&2; exit 3"]).catch(
    (error) => error,
  );
  const shown = describeFailure(failure);
  expect(shown).toContain("one\n");
  expect(shown).toContain("two\n");
  expect(shown).toMatch(/exit code 3$/);
});

test("a command that is not there is named", async () => {
  const failure = await runCommand("no-such-program", ["--now"]).catch((error) => error);
  expect(describeFailure(failure)).toContain("no-such-program --now");
});

test("what a person has to do is shown without a stack, a bug with its stack", () => {
  expect(describeFailure(new SetupError("install git"))).toBe("install git");
  expect(describeFailure(new TypeError("broken"))).toMatch(/TypeError: broken\n\s+at /);
});
