import { onTestFinished, expect, test } from "vitest";
import { offerSchema, type Offer } from "@gradient/protocol";
import { Journal } from "../../journal/journal.ts";
import type { StatusSource } from "../../status/server.ts";
import { Offers } from "../../testing/offers.ts";
import { temporaryDirectory } from "../../testing/temporary-directory.ts";
import { TestCoordinator } from "../../testing/test-coordinator.ts";
import { TestWorker } from "../../testing/test-worker.ts";

const offers = new Offers();

/** A worker that builds an input, and was offered what uses it. */
async function start() {
  const coordinator = await TestCoordinator.start();
  const directory = await temporaryDirectory();
  const sources: StatusSource[] = [];
  const openStatus = async (source: StatusSource): Promise<AsyncDisposable> => {
    sources.push(source);
    return { [Symbol.asyncDispose]: async () => {} };
  };
  const worker = await TestWorker.start({ server: coordinator.url, directory, openStatus });
  onTestFinished(async () => {
    await worker[Symbol.asyncDispose]();
    await coordinator[Symbol.asyncDispose]();
  });
  await coordinator.message("auth");
  const input = await worker.store.addDerivation("input");
  const user = await worker.store.addDerivation("user", { drvs: [input.drvPath] });
  const first = offers.build(input.drvPath);
  coordinator.send(first);
  const build = await worker.builds.started();
  const ahead = offerSchema.parse({ ...offers.build(user.drvPath), after: first.assignment });
  coordinator.send(ahead);
  return { coordinator, worker, directory, sources, first, build, ahead, user };
}

type Scene = Awaited<ReturnType<typeof start>>;

/** Resolves when everything that the worker was sent before has been answered. */
async function answered({ coordinator }: Scene): Promise<void> {
  const last = offers.sign(["/nix/store/00000000000000000000000000000000-none"]);
  coordinator.send(last);
  await coordinator.message("result", ({ assignment }) => assignment === last.assignment);
}

function said({ coordinator }: Scene, { assignment }: Offer): string[] {
  return coordinator.received
    .filter((message) => "assignment" in message && message.assignment === assignment)
    .map((message) => (message.type === "progress" ? message.phase : message.type));
}

/** The input is built, and the worker begins nothing after it. */
async function onlyTheInputIsBuilt(scene: Scene): Promise<void> {
  const { coordinator, worker, first, build, ahead } = scene;
  await worker.store.add("input", "made");
  build.end({});
  await coordinator.message("result", (message) => message.assignment === first.assignment);
  expect(said(scene, ahead)).toEqual([]);
  expect(worker.builds.all).toHaveLength(1);
}

/** Something that a test lets happen. */
function gate(): { readonly opened: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

test("what was offered ahead is accepted with the word that its input is built, and begins at once", async () => {
  const scene = await start();
  const { coordinator, worker, first, build, ahead, user } = scene;
  await answered(scene);
  expect(said(scene, ahead)).toEqual([]);
  await worker.store.add("input", "made");
  build.end({});
  const next = await worker.builds.started(2);
  expect(next.request.drvPath).toBe(user.drvPath);
  const { assignment, fencing } = first;
  const { built } = await coordinator.message(
    "accept",
    (message) => message.assignment === ahead.assignment,
  );
  expect(built).toEqual({ assignment, fencing });
  // Told once.
  expect(said(scene, first)).not.toContain("uploading");
  // Its input was in nobody's cache yet.
  expect(coordinator.transfers.requests.filter(({ path }) => path.includes("closure"))).toEqual([]);
  await worker.store.add("user", "made");
  next.end({});
  const { result } = await coordinator.message(
    "result",
    (message) => message.assignment === ahead.assignment,
  );
  expect(result).toMatchObject({ kind: "build", outcome: "built" });
});

test("when the input fails, nothing is left of the offer", async () => {
  const scene = await start();
  const { coordinator, worker, directory, first, build, ahead } = scene;
  build.end({ status: 3, message: "builder failed" });
  await coordinator.message("result", ({ assignment }) => assignment === first.assignment);
  await answered(scene);
  expect(said(scene, ahead)).toEqual([]);
  await worker[Symbol.asyncDispose]();
  expect(worker.builds.all).toHaveLength(1);
  expect([...worker.store.roots.keys()]).toEqual([]);
  const journal = await Journal.open(`${directory}/journal`, worker.log.logger);
  expect(journal.entries()).toEqual([]);
});

test("an offer ahead that is taken back is not begun", async () => {
  const scene = await start();
  const { coordinator, ahead } = scene;
  const { assignment, fencing } = ahead;
  coordinator.send({ type: "cancel", assignment, fencing, reason: "the offer was withdrawn" });
  await answered(scene);
  await onlyTheInputIsBuilt(scene);
  const metrics = await Promise.all(scene.sources.map((source) => source.metrics()));
  expect(metrics.join("")).not.toContain('kind="build",outcome="cancelled"');
});

test("an offer ahead ends with the session", async () => {
  const scene = await start();
  const { coordinator, first } = scene;
  await answered(scene);
  coordinator.dropSocket();
  const hello = await coordinator.message("hello", () => true, 2);
  expect(hello.assignments.map(({ assignment }) => assignment)).toEqual([first.assignment]);
  await coordinator.message("auth", () => true, 2);
  await answered(scene);
  await onlyTheInputIsBuilt(scene);
});

test("an offer ahead is not begun while there is no session", async () => {
  const scene = await start();
  const { coordinator, worker, first, build } = scene;
  await answered(scene);
  coordinator.acceptedToken = null;
  coordinator.dropSocket();
  await expect.poll(() => [...worker.store.roots.keys()]).toEqual([first.assignment]);
  await worker.store.add("input", "made");
  build.end({});
  await worker[Symbol.asyncDispose]();
  expect(worker.builds.all).toHaveLength(1);
});

test("an offer ahead that is given up just before its input is built is not accepted any more", async () => {
  const scene = await start();
  const { coordinator, worker, first, build, ahead } = scene;
  await answered(scene);
  const [removing, removed] = [gate(), gate()];
  const { store } = worker;
  store.removeRoots = async (owner) => {
    removing.open();
    await removed.opened;
    store.roots.delete(owner);
  };
  worker.drain.abort();
  await removing.opened;
  await store.add("input", "made");
  build.end({});
  await coordinator.message("progress", ({ assignment }) => assignment === first.assignment);
  removed.open();
  await worker.ended;
  expect(said(scene, ahead)).toEqual([]);
});

test("nothing of an offer ahead goes on when it is forgotten", async () => {
  const scene = await start();
  const { coordinator, worker, build, first } = scene;
  await answered(scene);
  const [adding, added] = [gate(), gate()];
  const { store } = worker;
  const { drvPath } = await store.addDerivation("other");
  const late = offerSchema.parse({ ...offers.build(drvPath), after: first.assignment });
  const addRoots = store.addRoots.bind(store);
  store.addRoots = async (owner, paths) => {
    if (owner === late.assignment) {
      adding.open();
      await added.opened;
    }
    await addRoots(owner, paths);
  };
  coordinator.send(late);
  await adding.opened;
  const { assignment, fencing } = late;
  coordinator.send({ type: "cancel", assignment, fencing, reason: "the offer was withdrawn" });
  await answered(scene);
  added.open();
  build.end({ status: 3, message: "builder failed" });
  await worker[Symbol.asyncDispose]();
  expect([...store.roots.keys()]).toEqual([]);
});

test("a worker that drains does not begin what it was offered ahead", async () => {
  const scene = await start();
  const { coordinator, worker, build, ahead } = scene;
  await answered(scene);
  worker.drain.abort();
  await coordinator.message("draining");
  await worker.store.add("input", "made");
  build.end({});
  await worker.ended;
  expect(said(scene, ahead)).toEqual([]);
  expect(worker.builds.all).toHaveLength(1);
});
