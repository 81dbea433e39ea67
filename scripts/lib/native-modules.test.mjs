import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runCommand } from "./command.mjs";
import { root } from "./layout.mjs";
import {
  arePrebuilt,
  findUnloadable,
  installEnvironment,
  keepCompiled,
  prebuildName,
  prebuildsDirectory,
} from "./native-modules.mjs";

const require = createRequire(join(root, "package.json"));
let cache;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "gradient-cache-"));
  vi.stubEnv("XDG_CACHE_HOME", cache);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

test.each([
  { name: "better-sqlite3", runtime: "node", abi: process.versions.modules },
  { name: "zstd-napi", runtime: "napi", napiVersion: 8, abi: "8" },
])("the installer of $name looks for the name that we keep it under", (module) => {
  const pkg = require(`${module.name}/package.json`);
  const { getDownloadUrl } = createRequire(require.resolve(`${module.name}/package.json`))(
    "prebuild-install/util",
  );
  const { platform, arch } = process;
  const looksFor = getDownloadUrl({ pkg, platform, arch, ...module, "tag-prefix": "v" });
  expect(prebuildName({ ...module, version: pkg.version })).toBe(basename(looksFor));
});

test("what this clone has compiled is kept once, and unpacks to the same place", async () => {
  expect(await arePrebuilt(root)).toBe(false);
  await Promise.all([keepCompiled(root), keepCompiled(root)]);
  expect(await arePrebuilt(root)).toBe(true);
  const kept = await readdir(prebuildsDirectory());
  expect(kept).toHaveLength(2);
  const lists = await Promise.all(
    kept.map((file) => runCommand("tar", ["-tzf", join(prebuildsDirectory(), file)])),
  );
  expect(new Set(lists)).toEqual(
    new Set(["build/Release/better_sqlite3.node\n", "build/Release/binding.node\n"]),
  );
});

test("npm is pointed at the cache, and at the headers next to Node where there are some", () => {
  const env = installEnvironment({ PATH: "/bin", XDG_CACHE_HOME: cache });
  expect(env).toMatchObject({
    PATH: "/bin",
    npm_config_better_sqlite3_local_prebuilds: join(cache, "gradient-farm/prebuilds"),
    npm_config_zstd_napi_local_prebuilds: join(cache, "gradient-farm/prebuilds"),
  });
  expect([undefined, dirname(dirname(process.execPath))]).toContain(env.npm_config_nodedir);
});

test("a native module that is not there cannot be loaded", async () => {
  expect(findUnloadable(root)).toBeUndefined();
  expect(findUnloadable(cache)).toBe("better-sqlite3");
});
