import type { OrganizationId } from "@gradient/protocol";
import type { Sources, StartedSourceEvaluation } from "../ports.ts";
import { checkInputOverrides } from "../rules/input-override.ts";
import { checkTarget, chooseWildcard, type WildcardDependencies } from "./choose-wildcard.ts";
import type { BuildRequest } from "./dispatch-session.ts";

/** Stores a source that came as a NAR and queues its evaluation. The request is checked before the NAR is touched. Throws BadRequestError, ConflictError. */
export async function evaluateNar(
  { sources, ...rest }: WildcardDependencies & { readonly sources: Sources },
  { organization, userId }: { organization: OrganizationId; userId: string },
  request: BuildRequest,
  nar: AsyncIterable<Uint8Array>,
): Promise<StartedSourceEvaluation> {
  checkTarget(request);
  checkInputOverrides(request.inputOverrides);
  const source = await sources.store(organization, nar);
  return sources.evaluate({
    source,
    project: "build-request",
    wildcard: await chooseWildcard(rest, source, request),
    inputOverrides: request.inputOverrides,
    triggeredBy: userId,
    record: () => Promise.resolve(),
  });
}
