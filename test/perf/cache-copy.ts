import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { download, downloadPath } from "./cache-files.ts";
import { cpuOf } from "./cpu.ts";
import { placeInMemory } from "./in-memory.ts";
import type { Nginx } from "./nginx.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 24;
const PATHS = 500;
const NIX = ["--extra-experimental-features", "nix-command"];

/** Files of 20 kB, each of which refers to the one before it. */
const closureOf = (paths: number): string => `
  let
    noise = n: builtins.concatStringsSep "\\n" (builtins.genList (i: builtins.hashString "sha256" "\${toString n} \${toString i}") 300);
    add = before: n: builtins.toFile "file-\${toString n}" "\${before}\\n\${noise n}";
  in builtins.foldl' add "nothing" (builtins.genList (n: n) ${paths})`;

/** `nix copy --from` of a closure, each time into an empty store, from the cache and from nginx in turn. */
export async function copyRows(farm: TestFarm, nginx: Nginx): Promise<Row[]> {
  const top = await fillCache(farm, nginx);
  const stores = await mkdtemp(join(placeInMemory(), "gradient-stores-"));
  const sides = [nginx.url, farm.url].map((url) => ({ url, times: [] as number[] }));
  const cpuBefore = (await cpuOf(farm.coordinator.pid)).own;
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      // Who comes second meets what the first one left behind.
      for (const { url, times } of round % 2 === 0 ? sides : sides.toReversed())
        times.push(await copyFrom(stores, url, top));
    }
  } finally {
    await rm(stores, { recursive: true });
  }
  const [theirs = [], ours = []] = sides.map(({ times }) => times);
  const cpuSeconds = (await cpuOf(farm.coordinator.pid)).own - cpuBefore;
  process.stdout.write(
    `  nix copy: the coordinator's CPU time for ${PATHS} paths is ${(cpuSeconds / ROUNDS).toFixed(2)} s\n`,
  );
  return [
    {
      what: `nix copy --from of a closure of ${PATHS} paths`,
      unit: "s",
      ours: median(ours),
      theirs: median(theirs),
      against: "nginx",
      better: "less",
      target: 1.1,
    },
  ];
}

/** Makes the closure, puts it into the cache, and what the cache says of it before nginx. Resolves to its top. */
async function fillCache(farm: TestFarm, nginx: Nginx): Promise<string> {
  const closure = await uploadClosure(farm, PATHS);
  await download(farm.url, "/cache/main/nix-cache-info", nginx.files);
  for (const path of closure) await downloadPath(farm.url, path, nginx.files);
  return closure.at(-1) ?? "";
}

/** Makes a chain of so many paths of 20 kB and puts it into the cache. Resolves to them, each behind what it refers to. */
export async function uploadClosure(farm: TestFarm, paths: number): Promise<string[]> {
  const root = await NixRoot.make(join(farm.directory, "copied-store"));
  try {
    const argv = ["--eval", "--json", "--read-write-mode", "--expr", closureOf(paths)];
    const top = JSON.parse(await root.nix("nix-instantiate", argv)) as string;
    const cache = new URL(`${farm.url}/cache/main`);
    cache.username = "alice";
    cache.password = farm.api.token ?? "";
    cache.searchParams.set("compression", "zstd");
    await root.nix("nix", [...NIX, "copy", "--to", cache.href, top]);
    return (await root.nix("nix-store", ["--query", "--requisites", top])).split("\n");
  } finally {
    await root.remove();
  }
}

/** Seconds. */
async function copyFrom(stores: string, server: string, top: string): Promise<number> {
  const root = await NixRoot.make(join(stores, "store"));
  try {
    const start = performance.now();
    await root.nix("nix", [
      ...NIX,
      "copy",
      "--no-check-sigs",
      "--from",
      `${server}/cache/main`,
      top,
    ]);
    return (performance.now() - start) / 1000;
  } finally {
    await root.remove();
  }
}
