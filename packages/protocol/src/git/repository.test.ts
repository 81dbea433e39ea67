import { expect, test } from "vitest";
import { parseRepository, resolveSubmodule, usesSsh, withoutPassword } from "./repository.ts";

test.each([
  ["https://example.org/a.git", { transport: "https", host: "example.org", port: null }],
  ["http://Example.org:8080/a", { transport: "http", host: "example.org", port: 8080 }],
  ["https://user@example.org/a", { transport: "https", host: "example.org", port: null }],
  ["ssh://git@example.org:22/a.git", { transport: "ssh", host: "example.org", port: 22 }],
  ["git+ssh://h/site", { transport: "ssh", host: "h", port: null }],
  ["ssh://git@[::1]:2222/a", { transport: "ssh", host: "[::1]", port: 2222 }],
  ["git://example.org/a", { transport: "git", host: "example.org", port: null }],
  ["git@example.org:group/a.git", { transport: "ssh", host: "example.org", port: null }],
  ["example.org:a", { transport: "ssh", host: "example.org", port: null }],
  ["file:///srv/git/a", { transport: "file", path: "/srv/git/a" }],
])("%s is an address", (repository, address) => {
  expect(parseRepository(repository)).toEqual(address);
});

test.each([
  ["file:/etc", "file:///path"],
  ["file://host/etc", "file:///path"],
  ["file:///srv/../etc", "'..'"],
  ["/etc/nixos", "file:///path"],
  ["../other", "file:///path"],
  ["~root/x", "file:///path"],
  ["", "file:///path"],
  ["ext::sh -c touch% /tmp/x", "white space"],
  ["ext::sh", "remote helpers"],
  ["fd::17/foo", "remote helpers"],
  ["::x", "remote helpers"],
  ["host::path", "remote helpers"],
  ["--upload-pack=touch", "option"],
  ["-u./x:y", "option"],
  ["-oProxyCommand=touch:x", "option"],
  ["git@-oProxyCommand=touch:x", "no host"],
  ["-x@host:y", "option"],
  ["ssh://-oProxyCommand=touch/x", "no host"],
  ["ssh://%2doProxyCommand=touch/x", "no host"],
  ["ssh://git@-oProxyCommand=touch/x", "no host"],
  ["ssh://-l@host/x", "no user name"],
  ["host:-x", "no path"],
  ["git://[::1/x", "no URL"],
  ["https:///a", "no host"],
  ["https://user:secret@example.org/a", "password"],
  ["ftp://example.org/a", "not supported"],
  ["git+ext://x", "not supported"],
  ["https://example.org/a\nb", "white space"],
  ["just-a-name", "neither a URL"],
])("%s is none", (repository, reason) => {
  expect(() => parseRepository(repository)).toThrow(reason);
  expect(usesSsh(repository)).toBe(false);
});

test("a message does not repeat the password that it complains of", () => {
  expect(() => parseRepository("https://user:secret@example.org/a")).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("secret") }),
  );
  const text = "cannot read 'https://user:hunter2@example.org/a' or git@example.org:b";
  expect(withoutPassword(text)).toBe(
    "cannot read 'https://user:***@example.org/a' or git@example.org:b",
  );
});

test.each([
  ["https://example.org/group/a.git", "../b.git", "https://example.org/group/b.git"],
  ["https://example.org/group/a/", "./sub", "https://example.org/group/a/sub"],
  ["https://example.org/group/a", "../../other/b/", "https://example.org/other/b"],
  ["git@example.org:group/a.git", "../b.git", "git@example.org:group/b.git"],
  ["git@example.org:a.git", "../b.git", "git@example.org:b.git"],
  ["file:///srv/a", "../b", "file:///srv/b"],
  ["https://example.org/a", "https://other.org/b", "https://other.org/b"],
])("of %s, the submodule %s is %s", (parent, address, resolved) => {
  expect(resolveSubmodule(parent, address)).toBe(resolved);
});

test("a submodule cannot lead above its parent's host", () => {
  expect(() => resolveSubmodule("https://example.org/a", "../../../b")).toThrow("leads above");
});
