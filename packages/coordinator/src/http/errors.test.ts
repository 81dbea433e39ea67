import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { toCoordinatorError } from "./errors.ts";

test("a full disk is told as such, and is worth another try", async () => {
  const error: unknown = await writeFile("/dev/full", "x").catch((failure: unknown) => failure);
  expect(toCoordinatorError(error)).toMatchObject({
    status: 503,
    message: "the server's disk is full",
  });
});
