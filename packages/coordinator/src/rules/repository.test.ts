import { describe, expect, test } from "vitest";
import { checkRepository, usesSsh } from "./repository.ts";

describe("a repository's address", () => {
  test.each(["git@example.org:acme/site.git", "ssh://git@example.org/site", "git+ssh://h/site"])(
    "%s needs the organization's key",
    (repository) => {
      checkRepository(repository);
      expect(usesSsh(repository)).toBe(true);
    },
  );

  test.each(["https://example.org/site.git", "git://example.org/site", "http://example.org/site"])(
    "%s is fetched without it",
    (repository) => {
      checkRepository(repository);
      expect(usesSsh(repository)).toBe(false);
    },
  );

  test.each(["", "file:///srv/site", "file:/srv/site", "/srv/site", "--upload-pack=x:y", "a b:c"])(
    "%j is refused with a reason",
    (repository) => {
      expect(() => checkRepository(repository)).toThrow(/repository/);
    },
  );
});
