import type { CustomFetch } from "openid-client";

const MAX_BYTES = 1024 * 1024;

/**
 * fetch, whose answers break off when they are longer than a provider's documents can be. Deadlines are the caller's, by its signal.
 * It may reach private networks: whoever operates the server has named the provider.
 */
export const boundedFetch: CustomFetch = async (url, { body = null, signal, ...options }) => {
  const response = await fetch(url, { ...options, body, signal: signal ?? null });
  let size = 0;
  const limit = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      size += chunk.byteLength;
      if (size > MAX_BYTES) controller.error(new Error(`answer is longer than ${MAX_BYTES} bytes`));
      else controller.enqueue(chunk);
    },
  });
  return new Response(response.body?.pipeThrough(limit) ?? null, response);
};
