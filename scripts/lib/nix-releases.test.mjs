import { expect, test } from "vitest";
import { runCommand } from "./command.mjs";
import { installedNixReleases, installNix, nixDirectory } from "./nix-releases.mjs";

test("a version that nobody has a recipe for is refused with those that can be had", async () => {
  await expect(installNix("1.11")).rejects.toThrow(/cannot be installed.*2\.26, 2\.34/);
});

test.each(Object.keys(installedNixReleases()))(
  "Nix %s, once installed, runs from its own directory under every name",
  async (release) => {
    const { version, directory } = await installNix(release);
    expect(directory).toBe(nixDirectory(release));
    for (const program of ["nix", "nix-store", "nix-instantiate", "nix-build"]) {
      const env = { ...process.env, NIX_REMOTE: "local?root=/var/empty" };
      const said = await runCommand(`${directory}/bin/${program}`, ["--version"], { env });
      expect(said).toBe(`${program} (Nix) ${version}\n`);
    }
  },
);
