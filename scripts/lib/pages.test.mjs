import { expect, test } from "vitest";
import { readComments } from "./schema-comments.mjs";

const SOURCE = `
/** What a
 * worker says. */
export const helloSchema = z.object({
  type: z.literal("hello"),
  /** For people. */
  release: z.string(),
  cores: z.int(),
});
export type Hello = z.infer<typeof helloSchema>;

/** Of nobody. */
const inner = z.object({
  /** Not shown. */
  release: z.string(),
});
export const byeSchema = z.object({ type: z.literal("bye") });
`;

test("comments stand with the schema and the field that they are about", () => {
  const comments = readComments(SOURCE);
  expect([...comments.keys()]).toEqual(["helloSchema", "byeSchema"]);
  expect(comments.get("helloSchema")).toEqual({
    text: "What a worker says.",
    fields: new Map([["release", "For people."]]),
  });
  expect(comments.get("byeSchema")).toEqual({ text: "", fields: new Map() });
});
