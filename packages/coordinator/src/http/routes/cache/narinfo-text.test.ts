import { formatNarInfo } from "@gradient/protocol";
import { expect, test } from "vitest";
import { narInfoOf } from "../../../caches/narinfo-of.ts";
import type { SurfacePath } from "../../../db/cache-surface-view.ts";
import { narinfoText } from "./narinfo-text.ts";

const path: SurfacePath = {
  path: `${"1".repeat(32)}-hello`,
  nar_hash: `0${"2".repeat(51)}`,
  nar_size: 12_345,
  file_hash: `0${"3".repeat(51)}`,
  file_size: 678,
  compression: "zstd",
  references_json: "[]",
  deriver: null,
  ca: null,
  signatures_json: "[]",
};
const signature = (name: string) => `${name}:${Buffer.alloc(64, name).toString("base64")}`;

test.each<[string, Partial<SurfacePath>]>([
  ["with the least that there is", {}],
  [
    "with references, deriver and signatures",
    {
      references_json: JSON.stringify([`${"4".repeat(32)}-glibc`, path.path]),
      deriver: `${"5".repeat(32)}-hello.drv`,
      signatures_json: JSON.stringify([signature("farm"), signature("worker")]),
    },
  ],
  ["with a content address", { ca: `fixed:r:sha256:0${"6".repeat(51)}` }],
])("a narinfo %s is what the protocol makes of it", (_, change) => {
  const shown = { ...path, ...change };
  expect(narinfoText(shown)).toBe(formatNarInfo(narInfoOf(shown)));
});

test("a damaged column is no narinfo", () => {
  expect(() => narinfoText({ ...path, references_json: '{"a":1}' })).toThrow("a list of texts");
});
