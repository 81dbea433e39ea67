import { BadRequestError } from "../errors.ts";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** The id in lower case. Throws BadRequestError for anything but a UUID version 4. */
export function checkWorkerId(text: string): string {
  if (UUID_V4.test(text)) return text.toLowerCase();
  throw new BadRequestError(
    `worker_id ${JSON.stringify(text)} is not a UUID version 4; the worker keeps its id in the file worker-id of its state directory`,
  );
}

/** The token without white space around it. Throws BadRequestError for anything but standard base64 of 48 bytes. */
export function checkWorkerToken(text: string): string {
  const token = text.trim();
  if (/^[A-Za-z0-9+/]{64}$/.test(token)) return token;
  throw new BadRequestError(
    "token has to be the standard base64 of 48 bytes (64 characters); make one with: openssl rand -base64 48",
  );
}
