import { expect, test } from "vitest";
import { runCommand } from "./command.mjs";
import { mirrorOf } from "./debian-archive.mjs";
import { installedNixReleases, installNix, mappedFiles, nixDirectory } from "./nix-releases.mjs";

test("the archive of Debian is found among the machine's sources, however they are written", () => {
  const uris = `'https://example.org/apt/dists/stable/InRelease' example.org_InRelease 0
'http://archive.example.org/debian-security/dists/bookworm-security/InRelease' a_InRelease 0
'http://archive.example.org/debian/dists/bookworm/InRelease' b_InRelease 0
`;
  expect(mirrorOf(uris)).toBe("http://archive.example.org/debian");
  expect(mirrorOf("'http://example.org/ubuntu/dists/noble/InRelease' c 0\n")).toBeUndefined();
});

test("the files that the loader maps are read from its list", () => {
  const list = `\tlinux-vdso.so.1 (0x00007ffd)
\tlibc.so.6 => /tree/lib/libc.so.6 (0x00007f2a)
\t/tree/lib/ld-linux.so.2 => /tree/lib64/ld-linux.so.2 (0x00007f2b)
\tlibgone.so => not found
`;
  expect(mappedFiles(list)).toEqual(["/tree/lib/libc.so.6", "/tree/lib64/ld-linux.so.2"]);
});

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
