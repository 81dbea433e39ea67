import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { listAuditEvents, type StoredAuditEvent } from "../../../../db/audit-repository.ts";
import { readJsonColumn } from "../../../../db/json-column.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery, timestamp, toTimestamp } from "../../../envelope.ts";

const details = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

const auditEvent = z.object({
  id: z.uuid(),
  event: z.string(),
  subject: z.string().nullable(),
  details,
  ip: z.string().nullable(),
  user_agent: z.string().nullable(),
  api_key_id: z.uuid().nullable(),
  created_at: timestamp,
});

/** GET /user/audit-log, newest first. */
export const listAuditEventsRoute: Route = (api, { database }) => {
  api.get(
    "/user/audit-log",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists what was done with the caller's account.",
        querystring: pageQuery,
        response: { 200: pageEnvelope(auditEvent) },
      },
    },
    async (request) => {
      const { user } = signedIn(request.caller);
      const { items, total } = await listAuditEvents(database.kysely, user.id, request.query);
      return okPage(items.map(toAuditEvent), total, request.query);
    },
  );
};

function toAuditEvent(stored: StoredAuditEvent): z.infer<typeof auditEvent> {
  return {
    id: stored.id,
    event: stored.event,
    subject: stored.subject,
    details: readJsonColumn(details, stored.details_json),
    ip: stored.ip,
    user_agent: stored.user_agent,
    api_key_id: stored.api_key_id,
    created_at: toTimestamp(stored.created_at),
  };
}
