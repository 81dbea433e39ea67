import { expect, test } from "vitest";
import { jobName, nameJobs } from "./job-name.ts";

const LINUX = "x86_64-linux";

test.each([
  [["packages", LINUX, "hello"], "hello.x86_64-linux"],
  [["checks", LINUX, "unit"], "checks.unit.x86_64-linux"],
  [["hydraJobs", "hello", "aarch64-linux"], "hydraJobs.hello.aarch64-linux"],
  [["hello"], "hello.x86_64-linux"],
  [["python", "numpy"], "python.numpy.x86_64-linux"],
  [[LINUX, "gtk+"], "gtk+.x86_64-linux"],
  [["packages", LINUX], "packages.x86_64-linux"],
  [["a,b", "c&d=e#f%g h"], "a%2Cb.c%26d%3De%23f%25g%20h.x86_64-linux"],
])("%j is called %s", (attribute, name) => {
  expect(jobName(attribute, LINUX)).toBe(name);
});

test("of jobs whose names are the same the later one has its whole path, and no two have one name", () => {
  const jobs = [["hello"], ["packages", LINUX, "hello"], ["hello", LINUX], [LINUX, "hello"]].map(
    (attribute) => ({ attribute, system: LINUX }),
  );
  const names = nameJobs(jobs, (name) => name === "packages.x86_64-linux.hello");
  expect([...names.values()]).toEqual([
    "hello.x86_64-linux",
    "packages.x86_64-linux.hello~2",
    "hello.x86_64-linux~2",
    "x86_64-linux.hello",
  ]);
});
