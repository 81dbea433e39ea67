/** The environments in which tests meet the versions of Nix that stand beside the machine's own, by version. */
export function nixTestEnvironments(): Record<string, Record<string, string>>;
