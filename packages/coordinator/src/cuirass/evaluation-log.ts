import { formatAttributePath } from "@gradient/protocol";
import type { Queries } from "../db/client.ts";
import { listMessages } from "../db/evaluation-view.ts";
import { readJsonColumn, stringListSchema } from "../db/json-column.ts";

/** What an evaluation had to say, as a text: when, how bad, about which attribute. */
export async function* evaluationLog(
  db: Queries,
  evaluationId: string,
): AsyncGenerator<string, void, undefined> {
  for (const { level, text, attribute_json: json, created_at } of await listMessages(
    db,
    evaluationId,
  )) {
    const attribute =
      json === null ? "" : ` ${formatAttributePath(readJsonColumn(stringListSchema, json))}:`;
    yield `${new Date(created_at).toISOString()} ${level.toLowerCase()}:${attribute} ${text.trimEnd()}\n`;
  }
}
