import { expect, test } from "vitest";
import { runProcess } from "../../process/run.ts";
import { nixString } from "./evaluation-source.ts";

test("a string of Nix has exactly the text, whatever is in it", async () => {
  const text = 'a "b" \\n ${c} $${d} \r\n\r\t ü';
  const { stdout } = await runProcess({
    command: "nix-instantiate",
    args: ["--eval", "--strict", "--json", "--expr", nixString(text)],
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" },
    timeoutMs: 60_000,
  });
  expect(JSON.parse(stdout.toString())).toBe(text);
});
