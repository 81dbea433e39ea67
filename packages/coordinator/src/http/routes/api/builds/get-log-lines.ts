import { z } from "zod";
import { findLogAttempt } from "../../../../log-streams/log-attempt.ts";
import { lineText, type LineRange } from "../../../../logs/log-lines.ts";
import { sendLog } from "../../../../logs/send-log.ts";
import { BadRequestError } from "../../../../errors.ts";
import { textAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { buildParams } from "./build-params.ts";
import { logTexts } from "./log-texts.ts";

const lineNumber = z.coerce.number().int().min(1);

const querystring = z.object({
  /** From 1. */
  start: lineNumber.optional(),
  /** The last line; included. */
  end: lineNumber.optional(),
  /** Both in one: `L10-L20`, or `L10`; each L may be missing. */
  range: z.string().optional(),
});

const RANGE = /^L?(?<start>[1-9]\d{0,14})(?:-L?(?<end>[1-9]\d{0,14}))?$/;

/** GET /builds/{id}/log/lines: a part of the log as plain text. */
export const getLogLinesRoute: Route = (api, { authority, database, logs }) => {
  api.get(
    "/builds/:id/log/lines",
    {
      config: { access: "optional" },
      schema: {
        summary: "Gives some lines of a build's log.",
        params: buildParams,
        querystring,
        response: { 200: textAnswer("The lines; nothing when the log has not so many.") },
      },
    },
    async (request, reply) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const range = toRange(request.query);
      const texts = logTexts(logs, await findLogAttempt(database.kysely, build));
      const headers = { "content-type": "text/plain; charset=utf-8" };
      return sendLog(reply, headers, lineText(texts, range));
    },
  );
};

function toRange({ start, end, range }: z.infer<typeof querystring>): LineRange {
  if (range === undefined) return checked({ first: start ?? 1, last: end ?? null });
  const groups = RANGE.exec(range)?.groups;
  if (groups === undefined || start !== undefined || end !== undefined) {
    throw new BadRequestError(
      `range "${range}" has to be like L10-L20 or L10, and stands alone without start and end`,
    );
  }
  const first = Number(groups["start"]);
  return checked({ first, last: Number(groups["end"] ?? first) });
}

function checked(range: LineRange): LineRange {
  if (range.last === null || range.last >= range.first) return range;
  throw new BadRequestError(`the last line ${range.last} comes before the first, ${range.first}`);
}
