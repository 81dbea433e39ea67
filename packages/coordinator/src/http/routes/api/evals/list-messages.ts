import { v5 as uuidv5 } from "uuid";
import { z } from "zod";
import { listEntryPoints, listMessages } from "../../../../db/evaluation-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { attributeText } from "./attribute-text.ts";
import { evaluationParams } from "./evaluation-params.ts";

const message = z.object({
  id: z.uuid(),
  level: z.enum(["Error", "Warning", "Notice"]),
  message: z.string(),
  /** The attribute that it is about; null when it is about the evaluation as a whole. */
  source: z.string().nullable(),
  created_at: timestamp,
  /** Ids of the entry points that it is about. */
  entry_points: z.array(z.uuid()),
});

/** GET /evals/{id}/messages: what the evaluation had to say, oldest first. */
export const listMessagesRoute: Route = (api, { authority, database }) => {
  api.get(
    "/evals/:id/messages",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the messages of an evaluation, oldest first.",
        params: evaluationParams,
        response: { 200: envelope(z.array(message)) },
      },
    },
    async (request) => {
      const { evaluation } = await authority.readEvaluation(request.caller, request.params.id);
      const db = database.kysely;
      const rows = await listMessages(db, evaluation.id);
      const isAboutAttributes = rows.some((row) => row.attribute_json !== null);
      const entryPoints = isAboutAttributes ? await listEntryPoints(db, evaluation.id) : [];
      const ids = new Map(entryPoints.map((entry) => [entry.attribute_json, entry.id]));
      return ok(
        rows.map((row) => ({
          id: uuidv5(String(row.id), evaluation.id),
          level: row.level,
          message: row.text,
          source: row.attribute_json === null ? null : attributeText(row.attribute_json),
          created_at: toTimestamp(row.created_at),
          entry_points: [ids.get(row.attribute_json ?? "") ?? []].flat(),
        })),
      );
    },
  );
};
