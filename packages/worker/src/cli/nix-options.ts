const CONFIG = (setting: string): string => `set NIX_CONFIG='${setting}' in the environment`;
const EXPRESSION = "write the expression into a file, and name that";
const LOG = "nix-store --read-log DERIVATION prints the log of a build";

/** What to do in place of an option that Nix's commands have and ours have not. */
const IN_PLACE: Readonly<Record<string, string>> = {
  "-E": EXPRESSION,
  "--expr": EXPRESSION,
  "-I": "set NIX_PATH in the environment",
  "-K": "nix-store --realise -K DERIVATION keeps the directory of a build that fails",
  "--keep-failed": "nix-store --realise -K DERIVATION keeps the directory of a build that fails",
  "--check": "nix-store --realise --check DERIVATION builds again and compares",
  "--repair": "nix-store --repair-path PATH repairs a path",
  "--option": CONFIG("NAME = VALUE"),
  "--cores": CONFIG("cores = N"),
  "--builders": "builds are made on this machine",
  "--substituters": CONFIG("substituters = ADDRESS"),
  "--no-substitute": CONFIG("substitute = false"),
  "--no-sandbox": CONFIG("sandbox = false"),
  "--fallback": "leave it out: what can not be fetched is built",
  "--no-link": "it is called --no-out-link",
  "--add-root": "-o names the link",
  "--system": "--argstr system SYSTEM, where the expression takes it",
  "--impure": "flakes are evaluated pure",
  "--show-trace":
    "leave it out, or see nix-instantiate --show-trace: errors have their message and place",
  "-Q": "leave it out: only what fails has its log shown",
  "--no-build-output": "leave it out: only what fails has its log shown",
  "-L": LOG,
  "--print-build-logs": LOG,
  "-v": LOG,
  "--verbose": LOG,
};

/** One line for an option that the parser of the command line does not know; null when Nix does not know it either. */
export function adviceForOption(option: string): string | null {
  const advice = IN_PLACE[option.split("=", 1)[0] ?? ""];
  return advice === undefined ? null : `in place of ${option}: ${advice}`;
}
