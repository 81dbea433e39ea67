/** What the kernel copies at once, and devices are written in. */
const PAGE_BYTES = 4096;

/** Memory that begins at a page, which ordinary buffers do not: V8 gives such to those that could grow. */
export function alignedBlock(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes, { maxByteLength: bytes }));
}

/** Whether the bytes are whole pages of such memory, and those before `position` of a file are, too. */
export function isAligned({ buffer, byteOffset, length }: Uint8Array, position: number): boolean {
  const isPaged = buffer instanceof ArrayBuffer && buffer.resizable;
  return isPaged && [byteOffset, length, position].every((each) => each % PAGE_BYTES === 0);
}
