import { expect, test } from "vitest";
import { BadRequestError } from "../errors.ts";
import { checkRepository } from "./repository.ts";

test.each(["git@example.org:acme/site.git", "https://example.org/site.git", "git+ssh://h/site"])(
  "%s may be a project's repository",
  (repository) => {
    expect(() => checkRepository(repository)).not.toThrow();
  },
);

test.each([
  "",
  "/srv/site",
  "file:///srv/site",
  "--upload-pack=x:y",
  "git@-oProxyCommand=x:y",
  "ext::sh",
  "git://[::1/x",
  "a b:c",
])("%j is refused with a reason", (repository) => {
  expect(() => checkRepository(repository)).toThrow(BadRequestError);
  expect(() => checkRepository(repository)).toThrow(/repository .* cannot be fetched: /);
});
