/** One page of a list: 1-based number and length. */
export interface PageRequest {
  page: number;
  perPage: number;
}

/** Rows of one page and how many there are in all. */
export interface Page<T> {
  items: T[];
  total: number;
}

/** Rows before the page. */
export function offsetOf(page: PageRequest): number {
  return (page.page - 1) * page.perPage;
}
