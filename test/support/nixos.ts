import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { root } from "./programs.ts";

type UnitValue = string | number | boolean | readonly string[];
type UnitSection = Readonly<Record<string, UnitValue>>;

/** What NixOS makes a unit of. */
export interface ServiceView {
  after: string[];
  description: string;
  environment: Record<string, string>;
  serviceConfig: Record<string, UnitValue>;
  startLimitIntervalSec: number;
  unitConfig: Record<string, UnitValue>;
  wantedBy: string[];
  wants: string[];
}

/** What a configuration with the modules comes to; made by test/nix/evaluate.nix. */
export interface SystemView {
  services: Record<string, ServiceView>;
  timers: Record<string, Record<string, UnitValue>>;
  failures: string[];
  users: string[];
  trustedUsers: string[];
  nginx: { enable: boolean; appendHttpConfig: string; hosts: Record<string, string> };
  caddy: { enable: boolean; hosts: Record<string, string> };
  state: Record<string, unknown>;
  options: {
    name: string;
    description: string | null;
    hasDefault: boolean;
    hasExample: boolean;
    hasType: boolean;
  }[];
}

/** A tree with nixpkgs' lib (or all of nixpkgs), to which the stand-in is compared; null where there is none. */
export const nixpkgs = process.env["GRADIENT_TEST_NIXPKGS"] ?? null;

/** Evaluates a configuration, given as the text of a NixOS module. Rejects with what Nix says. */
export async function evaluateSystem(
  configuration: string,
  tree: string | null = nixpkgs,
): Promise<SystemView> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-nixos-"));
  try {
    const file = join(directory, "configuration.nix");
    await writeFile(file, configuration);
    const argv = ["--eval", "--strict", "--json", join(root, "test/nix/evaluate.nix")];
    argv.push("--argstr", "configuration", file);
    if (tree !== null) argv.push("--argstr", "nixpkgs", tree);
    const { stdout, stderr, exitCode } = await execa("nix-instantiate", argv, { reject: false });
    if (exitCode !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as SystemView;
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The unit's file, as NixOS writes it. */
export function unitText(service: ServiceView): string {
  const environment = Object.entries(service.environment).map(
    ([name, value]) => `Environment=${JSON.stringify(`${name}=${value}`)}`,
  );
  return [
    "[Unit]",
    `Description=${service.description}`,
    `After=${service.after.join(" ")}`,
    `Wants=${service.wants.join(" ")}`,
    `StartLimitIntervalSec=${service.startLimitIntervalSec}`,
    ...sectionLines(service.unitConfig),
    "[Service]",
    ...environment,
    ...sectionLines(service.serviceConfig),
    "[Install]",
    ...service.wantedBy.map((target) => `WantedBy=${target}`),
    "",
  ].join("\n");
}

function sectionLines(section: UnitSection): string[] {
  return Object.entries(section).flatMap(([name, value]) =>
    (typeof value === "object" ? value : [value]).map((each) => `${name}=${each}`),
  );
}

/** What systemd-analyze says of a unit: what it does not understand, and how exposed the service is, of 10. */
export async function analyzeUnit(
  name: string,
  text: string,
): Promise<{ complaints: string[]; exposure: number }> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-unit-"));
  try {
    const file = join(directory, name);
    // The daemon itself is not installed here.
    await writeFile(file, text.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true"));
    const verify = await execa("systemd-analyze", ["verify", file], { reject: false, all: true });
    const security = await execa("systemd-analyze", ["security", "--offline=true", file], {
      reject: false,
    });
    const exposure = /exposure level for \S+: ([\d.]+)/.exec(security.stdout)?.[1];
    return {
      complaints: [...new Set(verify.all.split("\n").filter((line) => line !== ""))],
      exposure: Number(exposure),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}
