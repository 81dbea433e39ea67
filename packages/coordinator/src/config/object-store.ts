import { z } from "zod";

/** A bucket of an S3-compatible store. */
export interface BucketLocation {
  readonly bucket: string;
  /** What all names begin with: empty, or with a slash at its end. */
  readonly prefix: string;
  /** Null for AWS's own. */
  readonly endpoint: string | null;
  readonly region: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^(?:[\w.-]+\/)*$/;
const EXPECTED =
  "expected s3://BUCKET/PREFIX?endpoint=URL&region=NAME, where all but the bucket may be left out";

/** `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. It is shown to whoever sees the command line, so it has no credentials in it. */
export const objectStoreSchema = z.string().transform((text, context): BucketLocation => {
  const location = parseLocation(text);
  if (typeof location !== "string") return location;
  context.addIssue({ code: "custom", message: location });
  return z.NEVER;
});

/** The location, or what is wrong with it. */
function parseLocation(text: string): BucketLocation | string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== "s3:" || url.hash !== "") return EXPECTED;
  if (url.username !== "" || url.password !== "") {
    return "credentials do not belong here: give them in the environment or a file, as AWS's own tools take them";
  }
  const { endpoint = null, region = "us-east-1", ...others } = Object.fromEntries(url.searchParams);
  const path = url.pathname.replace(/^\//, "");
  const prefix = path === "" || path.endsWith("/") ? path : `${path}/`;
  if (!BUCKET.test(url.host) || !PREFIX.test(prefix) || Object.keys(others).length > 0) {
    return EXPECTED;
  }
  if (endpoint !== null && !isOrigin(endpoint)) {
    return "expected an endpoint such as https://s3.example.org, without a path or credentials";
  }
  return { bucket: url.host, prefix, endpoint, region };
}

function isOrigin(text: string): boolean {
  if (!/^https?:/.test(text) || !URL.canParse(text)) return false;
  const { origin } = new URL(text);
  return [origin, `${origin}/`].includes(text);
}
