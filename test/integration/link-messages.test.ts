import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toCoordinatorSchema, toWorkerSchema } from "@gradient/protocol";
import { describe, expect, test } from "vitest";
import { root } from "../support/programs.ts";

/** The daemon's own source, without what only tests use. */
function sourceOf(name: "coordinator" | "worker"): string {
  const directory = join(root, "packages", name, "src");
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !/\btesting\b|\.test(-support)?\.ts$/.test(path))
    .map((path) => readFileSync(join(directory, path), "utf8"))
    .join("\n");
}

const sources = { coordinator: sourceOf("coordinator"), worker: sourceOf("worker") };

function typesOf(schema: typeof toWorkerSchema | typeof toCoordinatorSchema): string[] {
  return schema.options.map(({ shape }) => shape.type.value);
}

describe.each([
  { direction: "to the worker", schema: toWorkerSchema, from: "coordinator", to: "worker" },
  {
    direction: "to the coordinator",
    schema: toCoordinatorSchema,
    from: "worker",
    to: "coordinator",
  },
] as const)("messages $direction", ({ schema, from, to }) => {
  test.each(typesOf(schema))("'%s' has a sender and a receiver", (type) => {
    expect(sources[from], `no sender in packages/${from}`).toMatch(new RegExp(`type: "${type}"`));
    expect(sources[to], `no receiver in packages/${to}`).toMatch(
      new RegExp(`case "${type}":|type [!=]== "${type}"`),
    );
  });
});
