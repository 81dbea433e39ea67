import { expect, test } from "vitest";
import { isSamePlace, placeOf } from "./repository-place.ts";

test.each([
  ["https://git.example.org/acme/tools.git", "git.example.org", "acme/tools"],
  ["https://Git.Example.org:8443/acme/tools/", "git.example.org", "acme/tools"],
  ["ssh://git@git.example.org:2222/acme/tools.git", "git.example.org", "acme/tools"],
  ["git@git.example.org:acme/tools.git", "git.example.org", "acme/tools"],
  ["git.example.org:group/sub/tools", "git.example.org", "group/sub/tools"],
  ["git+ssh://git@[::1]:22/a/b", "[::1]", "a/b"],
])("%s lies at %s in %s", (address, host, path) => {
  expect(placeOf(address)).toEqual({ host, path });
});

test.each(["", "nothing", "https://git.example.org", "https://git.example.org/", "/a/b"])(
  "%j is no place",
  (address) => {
    expect(placeOf(address)).toBeNull();
  },
);

test("one repository has several addresses, and case does not matter", () => {
  const https = placeOf("https://github.com/Acme/Tools");
  const ssh = placeOf("git@github.com:acme/tools.git");
  const other = placeOf("https://github.com/acme/other");
  if (https === null || ssh === null || other === null) throw new Error("all are places");
  expect(isSamePlace(https, ssh)).toBe(true);
  expect(isSamePlace(https, other)).toBe(false);
});
