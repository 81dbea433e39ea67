import type { Api } from "../api.ts";

/** Bodies are what a browser's form sends; of a field that comes twice the last counts. */
export function addFormBodies(api: Api): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string" },
    (_request, text, done) => {
      done(null, Object.fromEntries(new URLSearchParams(text.toString())));
    },
  );
}
