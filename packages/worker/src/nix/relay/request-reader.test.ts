import fc from "fast-check";
import { expect, test } from "vitest";
import { Request } from "../daemon/request.ts";
import { RequestReader } from "./request-reader.ts";

const ascii = fc.string({ unit: "binary-ascii" });

test("a request is read when all of it is there, and not before", () => {
  const property = fc.property(
    ascii,
    fc.array(ascii, { maxLength: 5 }),
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    (name, references, content) => {
      const bytes = new Request()
        .string(name)
        .strings(references)
        .number(content.length)
        .raw(content)
        .number(0)
        .bytes();
      const read = (reader: RequestReader) => [
        reader.string(),
        reader.strings(),
        reader.frame(),
        reader.frame(),
      ];
      for (let size = 0; size < bytes.length; size += 1) {
        const early = new RequestReader(bytes.subarray(0, size));
        read(early);
        expect(early.isShort).toBe(true);
      }
      const whole = new RequestReader(Buffer.concat([bytes, Buffer.from("next")]));
      expect(read(whole)).toEqual([name, references, Buffer.from(content), Buffer.alloc(0)]);
      expect(whole.isShort).toBe(false);
      expect(whole.at).toBe(bytes.length);
    },
  );
  fc.assert(property, { numRuns: 50 });
});

test("a length that no request has is waited for, and costs nothing", () => {
  const bytes = new Request().number(2n ** 63n).bytes();
  const reader = new RequestReader(bytes);
  reader.strings();
  expect(reader.isShort).toBe(true);
});
