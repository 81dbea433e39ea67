/** Addresses of the neighbouring pages of a list; null at its ends. */
export interface Pages {
  readonly newer: string | null;
  readonly older: string | null;
}
