/**
 * The number of a build, an evaluation or a product as a path or query has it; null for what is none. With at most fifteen digits, so that it is exact as
 * a number of JavaScript.
 */
export function entityNumberOf(text: string): number | null {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}
