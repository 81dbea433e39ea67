import { describe, expect, test } from "vitest";
import {
  cpuTimeOfV1,
  cpuTimeOfV2,
  ioBytesOfV1,
  ioBytesOfV2,
  memoryUseOfV1,
  memoryUseOfV2,
  oomKills,
  parseProcessStat,
  parseSingle,
  pressureMs,
  throttledMs,
} from "./kernel-files.ts";

/** Texts as the kernel's documentation and machines with only version 2 have them. */
describe("files of version 2, by their format", () => {
  const CPU_STAT = `usage_usec 3059123
user_usec 3001000
system_usec 58123
nice_usec 0
nr_periods 10
nr_throttled 4
throttled_usec 250500
`;
  const MEMORY_STAT = `anon 536870912
file 104857600
kernel 4194304
kernel_stack 65536
pagetables 1048576
shmem 1048576
file_mapped 4096
slab 2097152
`;

  test("cpu.stat is in microseconds", () => {
    expect(cpuTimeOfV2(CPU_STAT)).toEqual({ userMs: 3001, systemMs: 58.123 });
    expect(throttledMs(CPU_STAT)).toBe(250.5);
  });

  test("cpu.stat without the cpu controller has no throttling", () => {
    expect(throttledMs("usage_usec 1\nuser_usec 1\nsystem_usec 0\n")).toBeNull();
    expect(cpuTimeOfV2("")).toBeNull();
  });

  test("memory.stat: needed is anonymous, shared and kernel memory; page cache is apart", () => {
    expect(memoryUseOfV2(MEMORY_STAT)).toEqual({
      neededBytes: 536870912 + 1048576 + 4194304,
      cacheBytes: 104857600 - 1048576,
    });
  });

  test("memory.stat of kernels before 5.18 has the kernel's memory in parts", () => {
    const old = MEMORY_STAT.replace(/^kernel .*\n/m, "");
    expect(memoryUseOfV2(old)?.neededBytes).toBe(536870912 + 1048576 + 65536 + 1048576 + 2097152);
  });

  test("memory.events counts kills", () => {
    expect(oomKills("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")).toBe(2);
    expect(oomKills("")).toBeNull();
  });

  test("memory.peak is a number, and a limit may be max", () => {
    expect(parseSingle("537919488\n")).toBe(537919488);
    expect(parseSingle("max\n")).toBeNull();
  });

  test("io.stat is summed over devices", () => {
    const text = `8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0
8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=50331648 dios=3021
`;
    expect(ioBytesOfV2(text)).toEqual({ readBytes: 1459300, writeBytes: 314773704 });
    expect(ioBytesOfV2("")).toEqual({ readBytes: 0, writeBytes: 0 });
  });
});

test("pressure is the time in which something waited, and nothing where the kernel does not count it", () => {
  const text = `some avg10=1.53 avg60=0.87 avg300=0.49 total=2364641990
full avg10=0.00 avg60=0.00 avg300=0.00 total=77
`;
  expect(pressureMs(text)).toBe(2364641.99);
  expect(pressureMs("")).toBeNull();
});

describe("files of version 1, by their format", () => {
  test("the exact sum is divided in the proportion of the ticks", () => {
    expect(cpuTimeOfV1("4000000000\n", "user 300\nsystem 100\n")).toEqual({
      userMs: 3000,
      systemMs: 1000,
    });
    expect(cpuTimeOfV1("5000000\n", "user 0\nsystem 0\n")).toEqual({ userMs: 0, systemMs: 5 });
  });

  test("memory.stat: the figures of groups below are in", () => {
    const text = "cache 10\nrss 20\nshmem 1\ntotal_cache 5000\ntotal_rss 70000\ntotal_shmem 1000\n";
    expect(memoryUseOfV1(text, "300\n")).toEqual({ neededBytes: 71300, cacheBytes: 4000 });
    expect(memoryUseOfV1(text, "")).toEqual({ neededBytes: 71000, cacheBytes: 4000 });
  });

  test("memory.oom_control counts kills", () => {
    expect(oomKills("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")).toBe(1);
  });

  test("blkio counts bytes by device and direction, and its total is left out", () => {
    const text = "253:0 Read 4096\n253:0 Write 8192\n253:0 Total 12288\nTotal 12288\n";
    expect(ioBytesOfV1(text)).toEqual({ readBytes: 4096, writeBytes: 8192 });
  });

  test("cpu.stat is in nanoseconds", () => {
    expect(throttledMs("nr_periods 1\nnr_throttled 1\nthrottled_time 2500000\n")).toBe(2.5);
  });
});

test("a process may have any name", () => {
  const stat =
    "42 (a) S (b\n) Z 1 42 42 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 987654 1000 5 18446744073709551615";
  expect(parseProcessStat(stat)).toEqual({
    startTicks: 987654,
    userTicks: 44,
    systemTicks: 66,
    isZombie: true,
  });
  expect(parseProcessStat("")).toBeNull();
});
