/**
 * For routes whose answers have thousands of items: they are written as the handler made them. The compiler has checked their type; to
 * check each value again, and to copy it, would cost more than all the rest.
 */
export const longAnswer = {
  serializerCompiler: () => (answer: unknown) => JSON.stringify(answer),
};
