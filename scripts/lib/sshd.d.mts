/** Where tests find the server over which they fetch by ssh: nothing when they have to take the machine's own. */
export function sshdTestEnvironment(): Record<string, string>;
