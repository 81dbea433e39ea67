import { expect, test } from "vitest";
import { checkReference, checkRepository, withoutPassword } from "./address.ts";

test.each([
  "https://example.org/a.git",
  "http://example.org:8080/a",
  "ssh://git@example.org:22/a.git",
  "git://example.org/a",
  "git@example.org:group/a.git",
  "example.org:a",
])("%s may be fetched", (repository) => {
  expect(() => checkRepository(repository)).not.toThrow();
});

test.each([
  ["file:///etc", "files of the worker"],
  ["FILE:///etc", "files of the worker"],
  ["file:/etc", "files of the worker"],
  ["/etc/nixos", "files of the worker"],
  ["../other", "files of the worker"],
  ["~root/x", "files of the worker"],
  ["", "files of the worker"],
  ["ext::sh -c touch% /tmp/x", "white space"],
  ["ext::sh", "remote helpers"],
  ["fd::17/foo", "remote helpers"],
  ["host::path", "remote helpers"],
  ["--upload-pack=touch", "option"],
  ["-oProxyCommand=touch:x", "option"],
  ["ftp://example.org/a", "not supported"],
  ["git+ext://x", "not supported"],
  ["https://example.org/a\nb", "white space"],
  ["just-a-name", "neither a URL"],
])("%s may not", (repository, reason) => {
  expect(() => checkRepository(repository)).toThrow(reason);
});

test.each(["main", "feature/x", "refs/heads/main", "v1.0", "a-b"])("%s is a reference", (name) => {
  expect(() => checkReference(name)).not.toThrow();
});

test.each([
  "",
  "-x",
  "+main",
  "a..b",
  "a:b",
  "a b",
  "x.lock",
  "/a",
  "a/",
  "a//b",
  ".a",
  "a/.b",
  "a*",
  "a^",
  "@{u}",
])("'%s' is no reference", (name) => {
  expect(() => checkReference(name)).toThrow("is no name of a branch or tag");
});

test("messages show no password", () => {
  const text = "cannot read 'https://user:hunter2@example.org/a' or git@example.org:b";
  expect(withoutPassword(text)).toBe(
    "cannot read 'https://user:***@example.org/a' or git@example.org:b",
  );
});
