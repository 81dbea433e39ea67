import { expect, test } from "vitest";
import { BuildListener } from "./build-listener.ts";

test("what Nix says of its own database while it waits is no line of a build's log", () => {
  const texts: string[] = [];
  const drvPath = "/nix/store/00000000000000000000000000000000-a.drv";
  const listener = new BuildListener(
    drvPath,
    (text) => texts.push(text),
    () => {},
  );
  listener.onMessage("warning: something that matters\n");
  listener.onMessage("warning: error: SQLite database '/nix/var/nix/db/db.sqlite' is busy\n");
  listener.flush();
  expect(texts).toEqual(["warning: something that matters\n"]);
});
