/** Milliseconds since the epoch as whole seconds; what is not known is 0. */
export function seconds(milliseconds: number | null): number {
  return milliseconds === null ? 0 : Math.floor(milliseconds / 1000);
}
