/** What a program says is wrong, from all that it printed: its own sentences, without its log in JSON and without stacks. */
export function reasonIn(output: string): string {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("{") && !line.startsWith("at "));
  const last = lines.findLastIndex((line) => line.startsWith("gradient-"));
  return lines.slice(Math.max(0, last), last + 2).join(" ") || "it said nothing";
}
