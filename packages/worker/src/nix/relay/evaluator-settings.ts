import { Request } from "../daemon/request.ts";
import type { RequestReader } from "./request-reader.ts";

/**
 * Of evaluators, for whom alone they are: facts of a path that they were told of may be known before the path is written, and so they
 * have to ask each time before they read it.
 */
export const EVALUATOR_SETTINGS: Readonly<Record<string, string>> = {
  "narinfo-cache-positive-ttl": "0",
  "narinfo-cache-negative-ttl": "0",
};
const OPTIONS = 12;

/** The rest of a request to set options; gives the request without the settings above, null when it is not all here. */
export function readOptions(reader: RequestReader): Buffer | null {
  for (let index = 0; index < OPTIONS; index += 1) reader.number();
  const options = new Request().raw(reader.soFar());
  const count = reader.number();
  const overrides: { name: Buffer; value: Buffer }[] = [];
  while (overrides.length < count && !reader.isShort) {
    overrides.push({ name: reader.bytes(), value: reader.bytes() });
  }
  if (reader.isShort) return null;
  const others = overrides.filter(({ name }) => !(name.toString() in EVALUATOR_SETTINGS));
  options.number(others.length);
  for (const { name, value } of others) options.byteString(name).byteString(value);
  return options.bytes();
}
