/** So many values go into one statement at most: every database takes them, and few different statements come about. */
const BATCH_SIZE = 500;

/** Cuts a list into batches for `in (...)` and multi-row inserts. An empty list has no batch. */
export function* batchesOf<T>(items: Iterable<T>, size: number = BATCH_SIZE): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
