/** Something that the person at the keyboard has to do. The message says what; there is no stack to show. */
export class SetupError extends Error {
  name = "SetupError";
}
