import type { Finding, Status } from "./finding.ts";

const TITLES: Readonly<Record<Finding["area"], string>> = {
  machine: "Machine",
  nix: "Nix",
  accounting: "Accounting",
  fetch: "Fetch",
  identity: "Identity",
  coordinator: "Coordinator",
};
const STATUS_WIDTH = 9;
const NAME_WIDTH = 17;

/** Whether a worker can run here. */
export function canRun(findings: readonly Finding[]): boolean {
  return !findings.some(({ status }) => status === "failure");
}

/** The report for people: a line for each finding, and below it what to change. */
export function formatReport(findings: readonly Finding[]): string {
  const lines: string[] = [];
  let area: Finding["area"] | null = null;
  for (const finding of findings) {
    if (finding.area !== area) lines.push(TITLES[finding.area]);
    area = finding.area;
    const { status, name, found, change } = finding;
    lines.push(`  ${status.padEnd(STATUS_WIDTH)}${`${name} `.padEnd(NAME_WIDTH)}${found}`);
    if (change !== null) lines.push(`${" ".repeat(2 + STATUS_WIDTH + NAME_WIDTH)}-> ${change}`);
  }
  return `${lines.join("\n")}\n\n${summary(findings)}\n`;
}

/** The same for programs, one JSON object. */
export function formatJson(findings: readonly Finding[]): string {
  return `${JSON.stringify({ canRun: canRun(findings), findings }, null, 2)}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (status: Status) => {
    const { length } = findings.filter((finding) => finding.status === status);
    return `${length} ${status}${length === 1 ? "" : "s"}`;
  };
  return canRun(findings)
    ? `A worker can run here (${count("warning")}).`
    : `A worker cannot run here: ${count("failure")}, ${count("warning")}.`;
}
