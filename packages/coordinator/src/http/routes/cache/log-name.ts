import { BadRequestError } from "../../../errors.ts";

const DRV = /^[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+\-._?=]{1,207}\.drv$/;

/** Throws BadRequestError for what is no base name of a derivation. */
export function checkDrvName(text: string): void {
  if (DRV.test(text)) return;
  throw new BadRequestError(`"${text}" is not <hash>-<name>.drv, the base name of a derivation`);
}

/** Under which an uploaded log is kept. */
export function logDocument(drv: string): string {
  return `log/${drv}`;
}
