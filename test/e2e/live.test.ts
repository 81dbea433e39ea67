import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { TestFarm } from "../support/farm.ts";

let farm: TestFarm;

beforeAll(async () => {
  farm = await TestFarm.start();
  await farm.addWorker("alpha");
}, 60_000);
afterAll(async () => {
  await farm[Symbol.asyncDispose]();
});

interface Frame {
  type: string;
  evaluation_id: string;
  build_id?: string;
  status?: number;
}

const COMPLETED = { evaluation: 5, build: 3 };

test("who watches a project is told of an evaluation from its beginning to its end", async () => {
  const project = await farm.addSampleProject("watched", "chain.*", "live");
  const address = `${farm.url.replace("http", "ws")}/api/v1/projects/acme/${project}/live`;
  const socket = new WebSocket(`${address}?token=${farm.api.token}`);
  const frames: Frame[] = [];
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
  await once(socket, "open");
  const evaluation = await farm.evaluate(project);
  const hasEnded = (frame: Frame) =>
    frame.type === "evaluation_status_changed" && (frame.status ?? 0) >= 5 && frame.status !== 8;
  while (!frames.some(hasEnded)) await once(socket, "message");
  expect(frames.find(hasEnded)?.status, farm.logs()).toBe(COMPLETED.evaluation);
  expect(new Set(frames.map((frame) => frame.evaluation_id))).toEqual(new Set([evaluation]));
  const builds = await farm.api.builds(evaluation);
  const told = new Map(
    frames.flatMap(({ build_id: id, status }) => (id === undefined ? [] : [[id, status] as const])),
  );
  for (const build of builds) expect(told.get(build.id), build.name).toBe(COMPLETED.build);
  socket.close();
  await once(socket, "close");
}, 120_000);
