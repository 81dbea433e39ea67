import { expect, test } from "vitest";
import { findHierarchies, parseHierarchies, version2Directory } from "./hierarchies.ts";

test("a machine with version 2 alone", () => {
  const mountinfo =
    "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
  expect(parseHierarchies(mountinfo, "0::/system.slice/gradient-worker.service\n")).toEqual([
    {
      version: 2,
      controllers: [],
      directory: "/sys/fs/cgroup/system.slice/gradient-worker.service",
    },
  ]);
});

test("a machine with both: each hierarchy has its own group of ours", () => {
  const mountinfo = `32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;
  const membership = "9:name=systemd:/x\n4:memory:/box/1\n2:cpu,cpuacct:/\n0::/scope\n";
  expect(parseHierarchies(mountinfo, membership)).toEqual([
    { version: 2, controllers: [], directory: "/sys/fs/cgroup/unified/scope" },
    { version: 1, controllers: ["cpu", "cpuacct"], directory: "/sys/fs/cgroup/cpu,cpuacct" },
    { version: 1, controllers: ["memory"], directory: "/sys/fs/cgroup/memory/box/1" },
    { version: 1, controllers: ["name=systemd"], directory: "/sys/fs/cgroup/systemd/x" },
  ]);
});

test("a mount that shows a part of the hierarchy, and names with spaces", () => {
  const mountinfo =
    "41 31 0:38 /docker/abc /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n42 31 0:39 /other /sys/m rw - cgroup cgroup rw,memory\n";
  const membership = "4:memory:/docker/abc\n0::/docker/abc/inner\n";
  expect(parseHierarchies(mountinfo, membership)).toEqual([
    { version: 2, controllers: [], directory: "/mnt/my groups/inner" },
  ]);
});

test("a mount that was made outside of our namespace does not tell where we are", () => {
  const mountinfo =
    "41 31 0:38 /../.. /host/cgroup rw - cgroup2 cgroup2 rw\n42 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  expect(parseHierarchies(mountinfo, "0::/\n")).toEqual([
    { version: 2, controllers: [], directory: "/sys/fs/cgroup" },
  ]);
  expect(parseHierarchies(mountinfo, "0::/../beside\n")).toEqual([]);
  expect(version2Directory(mountinfo, "/../../x")).toBe("/host/cgroup/x");
});

test("no groups at all", () => {
  expect(parseHierarchies("22 1 0:21 / /proc rw - proc proc rw\n", "")).toEqual([]);
});

test("this machine's are found", () => {
  for (const { directory } of findHierarchies("/proc")) expect(directory).toMatch(/^\//);
});
