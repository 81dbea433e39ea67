import type { Logs } from "../../../../ports.ts";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

/** What does not exist. */
export const MISSING = "019a0000-0000-7000-8000-0000000000ff";

/** Logs by attempt; following one gives what is appended to it until it is closed. */
export class PlayedLogs implements Logs {
  readonly texts = new Map<number, string>();
  readonly followed: { attempt: number; offset: number }[] = [];
  appended = "";

  async *text(attempt: number): AsyncGenerator<string, void, undefined> {
    const text = this.texts.get(attempt);
    if (text !== undefined) yield text;
  }

  size(attempt: number): Promise<number> {
    return Promise.resolve(Buffer.byteLength(this.texts.get(attempt) ?? ""));
  }

  async *follow(attempt: number, offset: number): AsyncGenerator<string> {
    this.followed.push({ attempt, offset });
    yield* [(this.texts.get(attempt) ?? "").slice(offset), this.appended].filter(
      (text) => text !== "",
    );
  }
}

export interface EvaluationScene {
  readonly server: TestServer;
  readonly logs: PlayedLogs;
  /** The owner of the organization, and a stranger. */
  readonly alice: string;
  readonly bob: string;
  readonly seed: Seed;
}

/** A server with the project acme/tools, which has one evaluation. */
export async function openEvaluationScene(): Promise<EvaluationScene> {
  const logs = new PlayedLogs();
  const server = await openTestServer({ logs });
  const alice = await server.user("alice");
  const bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("projects/acme", alice, {
    name: "tools",
    display_name: "Tools",
    repository: "https://example.com/tools.git",
    wildcard: "packages.*",
  });
  const {
    id,
    organization,
    created_by: userId,
  } = (await server.get("projects/acme/tools", alice)).message;
  const seed = await seedEvaluation(server.services.database.kysely, {
    organizationId: organization,
    projectId: id,
    userId,
  });
  return { server, logs, alice, bob, seed };
}
