/**
 * Resolves when the stream takes more after a `write` that returned false, and also when it was closed or broke: who reads
 * the other side can tell why.
 */
export async function drained(stream: NodeJS.WritableStream): Promise<void> {
  const events = ["drain", "close", "error"];
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      for (const event of events) stream.removeListener(event, finish);
      resolve();
    };
    for (const event of events) stream.on(event, finish);
  });
}
