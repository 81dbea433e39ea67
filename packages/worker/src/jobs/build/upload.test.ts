import { EventEmitter, once } from "node:events";
import { describe, expect, test } from "vitest";
import type { Signer } from "../../ports.ts";
import { storePath } from "../../testing/offers.ts";
import { MEASURED, scriptedSigner } from "../../testing/scripted-nix.ts";
import type { TestCoordinator } from "../../testing/test-coordinator.ts";
import { type TestFarm, offerBuild, resultOf, startFarm } from "../../testing/test-farm.ts";

describe("a refused upload", () => {
  test("fails the attempt with the coordinator's words", async () => {
    const farm = await startFarm();
    const { offer, build } = await offerBuild(farm, "bad");
    await farm.worker.store.add("bad", "x");
    const body = { code: "nar_mismatch", error: "hash differs: send the NAR again" };
    farm.coordinator.transfers.faults.push({ method: "PUT", path: /^\/nar/, status: 422, body });
    build.end({});
    expect((await resultOf(farm.coordinator, offer.assignment)).result).toMatchObject({
      outcome: "internal_error",
      message: `upload of ${storePath("bad")}: hash differs: send the NAR again`,
      outputs: [],
      usage: MEASURED,
    });
    expect(farm.coordinator.transfers.requests).toHaveLength(1);
  });

  test("is followed by an attempt whose log says that nothing was built", async () => {
    const farm = await startFarm();
    const { offer, build } = await offerBuild(farm, "again");
    await farm.worker.store.add("again", "x");
    // Valid already.
    build.end({ status: 2 });
    const { result } = await resultOf(farm.coordinator, offer.assignment);
    const text = farm.coordinator.log(offer.assignment);
    expect(text).toMatch(/^nothing was built: .* already.*\n$/);
    expect(result).toMatchObject({ outcome: "built", logBytes: text.length });
  });
});

describe("a signature that takes its time", () => {
  /** Signs when it is told to. */
  function slowSigner() {
    const events = new EventEmitter();
    const allowed = once(events, "allowed");
    const signer: Signer = {
      publicKey: scriptedSigner.publicKey,
      sign: (paths) => allowed.then(() => scriptedSigner.sign(paths)),
    };
    return { signer, allow: () => events.emit("allowed") };
  }

  async function uploaded(farm: TestFarm) {
    const { offer, build } = await offerBuild(farm, "hello");
    await farm.worker.store.add("hello", "Hello, world\n");
    build.end({});
    await expect.poll(() => farm.coordinator.transfers.nars.size).toBe(1);
    return offer;
  }

  const phases = ({ coordinator }: { coordinator: TestCoordinator }) =>
    coordinator.all("progress").map(({ phase }) => phase);

  test("is announced as the only thing that is missing, and again after a lost socket", async () => {
    const { signer, allow } = slowSigner();
    const farm = await startFarm({ signer });
    const { coordinator } = farm;
    coordinator.features = ["signing-phase"];
    coordinator.dropSocket();
    await coordinator.message("hello", () => true, 2);
    const offer = await uploaded(farm);
    const isSigning = ({ phase }: { phase: string }) => phase === "signing";
    await coordinator.message("progress", isSigning);
    expect(coordinator.all("result")).toEqual([]);
    coordinator.dropSocket();
    await coordinator.message("progress", isSigning, 2);
    allow();
    expect((await resultOf(coordinator, offer.assignment)).result).toMatchObject({
      outcome: "built",
    });
  });

  test("is not announced to a coordinator that does not know of it", async () => {
    const { signer, allow } = slowSigner();
    const farm = await startFarm({ signer });
    const offer = await uploaded(farm);
    allow();
    await resultOf(farm.coordinator, offer.assignment);
    expect(phases(farm)).toEqual(["uploading"]);
  });
});
