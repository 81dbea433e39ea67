import type { Api } from "../api.ts";

/** More than a hook sends. */
const MAX_BYTES = 64 * 1024;

/** Bodies say nothing here, whatever type they are of, or none. */
export function addIgnoredBodies(api: Api): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(
    "*",
    { parseAs: "buffer", bodyLimit: MAX_BYTES },
    (_request, _body, done) => {
      done(null, undefined);
    },
  );
}
