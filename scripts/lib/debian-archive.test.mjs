import { expect, test } from "vitest";
import { mirrorOf } from "./debian-archive.mjs";

test("the archive of Debian is found among the machine's sources, however they are written", () => {
  const uris = `'https://example.org/apt/dists/stable/InRelease' example.org_InRelease 0
'http://archive.example.org/debian-security/dists/bookworm-security/InRelease' a_InRelease 0
'http://archive.example.org/debian/dists/bookworm/InRelease' b_InRelease 0
`;
  expect(mirrorOf(uris)).toBe("http://archive.example.org/debian");
  expect(mirrorOf("'http://example.org/ubuntu/dists/noble/InRelease' c 0\n")).toBeUndefined();
});
