import {
  decodeNarBundle,
  MAX_NAR_BUNDLE_BYTES,
  NarBundleError,
  type BundledNar,
} from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import { BadRequestError } from "../../../errors.ts";
import type { TransferRouteOptions } from "./transfer-routes.ts";

/** Many small NARs in one request; what each is by its hash makes nothing visible, as with a single one. */
export function narBundleRoute(options: TransferRouteOptions): FastifyPluginAsync {
  const { nars, grant } = options;
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
      done(null, body);
    });
    app.put("/nars", { bodyLimit: MAX_NAR_BUNDLE_BYTES }, async (request) => {
      const { organization } = grant(request.headers);
      const bundle = read(request.body);
      await nars.takeBundle(organization, bundle);
      return { accepted: bundle.length };
    });
  };
}

function read(body: unknown): BundledNar[] {
  if (!Buffer.isBuffer(body)) {
    throw new BadRequestError(
      "send the bundle of NARs as the body, with Content-Type: application/octet-stream",
    );
  }
  try {
    return decodeNarBundle(body);
  } catch (error) {
    if (!(error instanceof NarBundleError)) throw error;
    throw new BadRequestError(error.message, { cause: error });
  }
}
