import { z } from "zod";
import { buildObject } from "../../../nixbuild/build-object.ts";
import { readDerivation, readFilter, readLimit } from "../../../nixbuild/build-query.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { filterQuery, parameter } from "./filter-query.ts";
import { sendJsonText } from "../../send-json.ts";

const querystring = filterQuery.extend({ limit: parameter, derivation_path: parameter });

/** GET /builds: of all organizations of the caller, the newest first. */
export const listBuildsRoute: Route = (api, { authority, nixbuildBuilds }) => {
  api.get(
    "/builds",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists builds, the newest first.",
        querystring,
        response: { 200: bareJsonAnswer("The builds.", z.array(buildObject)) },
      },
    },
    async ({ caller, query }, reply) => {
      const request = {
        ...readFilter(query),
        limit: readLimit(query.limit),
        drvPath: readDerivation(query.derivation_path),
        organizations: await authority.organizationsOfBuilds(caller),
      };
      return sendJsonText(reply, nixbuildBuilds.builds(nixbuildBuilds.list(request)));
    },
  );
};
