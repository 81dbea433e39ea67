import { randomBytes } from "node:crypto";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestFarm } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { downloadPath } from "./cache-files.ts";
import { compared } from "./cache-load.ts";
import { Nginx } from "./nginx.ts";
import type { Row } from "./report.ts";

const NAR_BYTES = 64 * 1024 * 1024;
const NIX = ["--extra-experimental-features", "nix-command"];

/** One NAR that nginx sends when the coordinator says so, against the same nginx that is asked for the file. */
export async function accelRows(): Promise<Row[]> {
  await using farm = await TestFarm.start({ env: { GRADIENT_ACCEL_REDIRECT: "/gradient-nars/" } });
  // nginx's worker process is not root.
  for (const directory of [farm.directory, farm.dataDir]) await chmod(directory, 0o755);
  await using nginx = await Nginx.start(`
    location /farm/ { proxy_pass ${farm.url}/; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location /gradient-nars/ { internal; alias ${farm.dataDir}/nar/; etag off; add_header ETag $upstream_http_etag; }`);
  const path = await uploadRandom(farm);
  const { nar } = await downloadPath(`${nginx.url}/farm`, path, nginx.files);
  const side = (asked: string) => ({
    url: nginx.url,
    paths: [asked],
    cpuSeconds: () => nginx.cpuSeconds(),
  });
  const bytes = await compared({ ours: side(`/farm${nar}`), theirs: side(nar) }, 4);
  return [
    {
      what: "NAR bytes that nginx sends with X-Accel-Redirect",
      unit: "MB/s",
      ...bytes((each) => each.bytesPerSecond / 1e6),
      against: "nginx alone",
      better: "more",
      target: 0.95,
    },
  ];
}

/** Puts a path that does not compress into the cache. */
async function uploadRandom(farm: TestFarm): Promise<string> {
  const root = await NixRoot.make(join(farm.directory, "accel-store"));
  try {
    const file = join(farm.directory, "random");
    await writeFile(file, randomBytes(NAR_BYTES));
    const path = await root.nix("nix-store", ["--add", file]);
    const cache = new URL(`${farm.url}/cache/main`);
    cache.username = "alice";
    cache.password = farm.api.token ?? "";
    cache.searchParams.set("compression", "zstd");
    await root.nix("nix", [...NIX, "copy", "--to", cache.href, path]);
    return path;
  } finally {
    await root.remove();
  }
}
