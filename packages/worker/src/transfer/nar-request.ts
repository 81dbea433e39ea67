import { narReceiptSchema, type PathFacts } from "@gradient/protocol";

/** Below the worker link's address. */
export function narRoute(facts: PathFacts): string {
  return `/nar/${narBase(facts)}`;
}

/** The NAR's hash, 52 characters of Nix base 32. */
export function narBase({ narHash }: PathFacts): string {
  return narHash.slice("sha256:".length);
}

export async function readReceipt(response: { body: { json(): Promise<unknown> } }): Promise<void> {
  narReceiptSchema.parse(await response.body.json());
}
