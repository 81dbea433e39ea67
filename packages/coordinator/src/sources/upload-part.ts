/** A part of an upload as it comes in. A file's contents are read before the next part is asked for, or thrown away. */
export type UploadPart =
  | { readonly kind: "field"; readonly name: string; readonly value: string }
  | {
      readonly kind: "file";
      readonly name: string;
      /** As it was sent, folders included; empty when there was none. */
      readonly filename: string;
      readonly contents: AsyncIterable<Uint8Array>;
    };
