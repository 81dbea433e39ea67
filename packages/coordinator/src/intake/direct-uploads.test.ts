import { assignmentIdSchema, organizationIdSchema, workerIdSchema } from "@gradient/protocol";
import { v4, v7 } from "uuid";
import { expect, test } from "vitest";
import type { NarObject } from "../db/nar-object-repository.ts";
import { createLogger } from "../logger.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { DirectUploads } from "./direct-uploads.ts";

const UPLOADER = {
  worker: workerIdSchema.parse(v4()),
  assignment: assignmentIdSchema.parse(v7()),
  organization: organizationIdSchema.parse(v7()),
};
const NAR_HASH = `0${"1".repeat(51)}`;
const CLAIM = { narHash: NAR_HASH, narSize: 9_000_000 };
const OBJECT = { ...CLAIM, fileHash: NAR_HASH, fileSize: 8_000_000 } as NarObject;

test("a NAR that takes long is looked at once, however often it is asked for, and nobody is kept waiting", async () => {
  const clock = new ManualClock();
  const looked: string[] = [];
  let isRemoved = false;
  let end: (object: NarObject) => void = () => undefined;
  const taking = new Promise<NarObject>((resolve) => {
    end = resolve;
  });
  const direct = new DirectUploads({
    staging: {
      address: () => Promise.reject(new Error("nobody asks")),
      open: async (name) => {
        looked.push(name);
        return {
          read: () => Promise.reject(new Error("nobody reads")),
          keep: async () => undefined,
          remove: async () => {
            isRemoved = true;
          },
        };
      },
    },
    nars: { findHeld: () => null, takeStaged: () => taking },
    clock,
    logger: createLogger("silent"),
  });
  const asked = [direct.take(UPLOADER, CLAIM), direct.take(UPLOADER, CLAIM)];
  await clock.advance(20_000);
  expect(await Promise.all(asked)).toEqual([null, null]);
  const last = direct.take(UPLOADER, CLAIM);
  expect(isRemoved).toBe(false);
  end(OBJECT);
  expect(await last).toBe(OBJECT);
  expect(looked).toEqual([`${UPLOADER.worker}/${UPLOADER.assignment}/${NAR_HASH}`]);
  expect(isRemoved).toBe(true);
});
