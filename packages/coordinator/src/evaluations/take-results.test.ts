import { expect, test } from "vitest";
import { listKnownHosts } from "../db/known-host-repository.ts";
import { openScene } from "../test-scene.test-support.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const OTHER = KEY.replace("OMqq", "OMqr");

test("the first key of a host is kept for its organization, also when the fetch failed", async () => {
  await using scene = await openScene();
  const { farm, worker, organization } = scene;
  const { kysely } = farm.database;
  for (const key of [KEY, OTHER]) {
    const request = { projectId: organization.project, triggeredBy: null };
    await farm.farm.evaluations.start(request);
    const { assignment, fencing } = await worker.takeOffer();
    const failure = { message: "permission denied", isTransient: false };
    const result = { kind: "fetch", failure, commit: null, source: null, usage: null } as const;
    const hostKeys = [`example.org ${key}`, "nonsense"];
    worker.send({ type: "result", assignment, fencing, result: { ...result, hostKeys } });
    await worker.next("ack");
  }
  expect(await listKnownHosts(kysely, organization.id)).toEqual([
    { host: "example.org", key: KEY, worker: worker.id, seenAt: expect.any(Number) },
  ]);
  const other = await farm.addOrganization();
  expect(await listKnownHosts(kysely, other.id)).toEqual([]);
});

test.each([
  [true, "at once"],
  [false, "after a while"],
])("what failed for the time being, interrupted: %s, is tried again %s", async (isInterruption) => {
  await using scene = await openScene();
  const { farm, worker, organization } = scene;
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  const { assignment, fencing, spec } = await worker.takeOffer();
  const failure = { message: "the worker restarted", isTransient: true, isInterruption };
  const result = { kind: "fetch", failure, commit: null, source: null, usage: null } as const;
  worker.send({ type: "result", assignment, fencing, result });
  await worker.next("ack");
  const { kysely } = farm.database;
  const { retry_at } = await kysely
    .selectFrom("evaluations")
    .select("retry_at")
    .executeTakeFirstOrThrow();
  expect(retry_at === null).toBe(isInterruption);
  if (isInterruption) expect((await worker.takeOffer()).spec).toEqual(spec);
});
