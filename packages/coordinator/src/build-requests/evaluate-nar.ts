import type { OrganizationId } from "@gradient/protocol";
import type { Sources, StartedSourceEvaluation } from "../ports.ts";
import { checkInputOverrides } from "../rules/input-override.ts";
import { requestWildcard } from "../sources/request-wildcard.ts";
import type { BuildRequest } from "./dispatch-session.ts";

/** Stores a source that came as a NAR and queues its evaluation. The request is checked before the NAR is touched. Throws BadRequestError, ConflictError. */
export async function evaluateNar(
  sources: Sources,
  { organization, userId }: { organization: OrganizationId; userId: string },
  request: BuildRequest,
  nar: AsyncIterable<Uint8Array>,
): Promise<StartedSourceEvaluation> {
  const wildcard = requestWildcard(request.target);
  checkInputOverrides(request.inputOverrides);
  return sources.evaluate({
    source: await sources.store(organization, nar),
    project: "build-request",
    wildcard,
    inputOverrides: request.inputOverrides,
    triggeredBy: userId,
    record: () => Promise.resolve(),
  });
}
