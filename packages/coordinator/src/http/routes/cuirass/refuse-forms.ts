import { CoordinatorError } from "../../../errors.ts";
import type { Route } from "../../api.ts";

/** Addresses by which Cuirass changes things on GET. A link must not do that; the other API does. */
const FORMS = [
  "/admin/specification/add",
  "/admin/specification/edit",
  "/admin/specifications/deactivate/:name",
  "/admin/specifications/delete/:name",
  "/admin/build/:id/restart",
  "/admin/evaluation/:id/cancel",
  "/admin/evaluation/:id/restart",
  "/admin/evaluation/:id/retry",
] as const;

export const refuseFormsRoute: Route = (api) => {
  for (const path of FORMS) {
    api.get(
      path,
      { schema: { summary: "Is not there: a GET changes nothing here." } },
      async (_request, reply) => {
        reply.header("allow", "");
        throw new CoordinatorError(
          "a GET changes nothing here: use the API below /api/v1",
          405,
          "method_not_allowed",
        );
      },
    );
  }
};
