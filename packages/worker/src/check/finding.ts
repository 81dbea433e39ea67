/** `failure`: the worker cannot do its work until this is changed. `warning`: it can, with less than it could have. */
export type Status = "ok" | "warning" | "failure";

/** Parts of the report. */
export type Area = "machine" | "nix" | "accounting" | "fetch" | "identity" | "coordinator";

/** One thing that was looked at. */
export interface Finding {
  readonly area: Area;
  /** Short and stable, for programs. */
  readonly name: string;
  readonly status: Status;
  /** What there is, in plain words. */
  readonly found: string;
  /** What to change; null when nothing is to be changed. */
  readonly change: string | null;
}

/** Makes the findings of one area. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #area: Area;

  constructor(area: Area) {
    this.#area = area;
  }

  /** `found`: what there is. */
  ok(name: string, found: string): void {
    this.#add({ name, status: "ok", found, change: null });
  }

  /** It works, and not as well as it could. `change`: what to do about it. */
  warning(name: string, found: string, change: string): void {
    this.#add({ name, status: "warning", found, change });
  }

  /** The worker cannot work so. `change`: what to do about it. */
  failure(name: string, found: string, change: string): void {
    this.#add({ name, status: "failure", found, change });
  }

  #add(finding: Omit<Finding, "area">): void {
    this.list.push({ area: this.#area, ...finding });
  }
}
