/** Metrics in the text format of Prometheus, version 0.0.4. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;

interface Sample {
  /** Behind the metric's name: `_bucket`, `_sum`, or nothing. */
  readonly suffix: string;
  readonly labels: Labels;
  readonly value: number;
}

/** One metric with all of its samples. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  samples(): readonly Sample[];
}

/** Only rises. */
export class Counter implements Metric {
  readonly type = "counter";
  readonly name: string;
  readonly help: string;
  readonly #values = new Map<string, { labels: Labels; value: number }>();

  /** A counter without labels is there from the start, with 0. */
  constructor(name: string, help: string, options: { hasLabels: boolean }) {
    this.name = name;
    this.help = help;
    if (!options.hasLabels) this.add(0);
  }

  add(amount: number, labels: Labels = {}): void {
    const key = labelsText(labels);
    const entry = this.#values.get(key) ?? { labels, value: 0 };
    entry.value += amount;
    this.#values.set(key, entry);
  }

  samples(): readonly Sample[] {
    return [...this.#values.values()].map((each) => ({ suffix: "", ...each }));
  }
}

/** How often a value was at most so large. */
export class Histogram implements Metric {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  /** `bounds` rise. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#count += 1;
    this.#sum += value;
    for (const [index, bound] of this.#bounds.entries()) {
      if (value <= bound) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    }
  }

  samples(): readonly Sample[] {
    const buckets = this.#bounds.map((bound, index) => ({
      suffix: "_bucket",
      labels: { le: numberText(bound) },
      value: this.#counts[index] ?? 0,
    }));
    return [
      ...buckets,
      { suffix: "_bucket", labels: { le: "+Inf" }, value: this.#count },
      { suffix: "_sum", labels: {}, value: this.#sum },
      { suffix: "_count", labels: {}, value: this.#count },
    ];
  }
}

/** A value that is looked up when somebody asks; what is unknown has no sample. */
export function gauge(
  name: string,
  help: string,
  read: () => readonly { labels?: Labels; value: number | null }[] | number | null,
): Metric {
  return { name, help, type: "gauge", samples: () => samplesOf(read()) };
}

/** As `gauge`, for what only rises and is counted elsewhere. */
export function counted(name: string, help: string, read: () => number | null): Metric {
  return { name, help, type: "counter", samples: () => samplesOf(read()) };
}

/** The text of all metrics. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("");
}

function samplesOf(
  values: readonly { labels?: Labels; value: number | null }[] | number | null,
): Sample[] {
  if (values === null) return [];
  if (typeof values === "number") return [{ suffix: "", labels: {}, value: values }];
  return values.flatMap(({ labels = {}, value }) =>
    value === null ? [] : [{ suffix: "", labels, value }],
  );
}

function metricText(metric: Metric): string {
  const { name, help, type } = metric;
  const lines = metric
    .samples()
    .map(
      ({ suffix, labels, value }) => `${name}${suffix}${labelsText(labels)} ${numberText(value)}`,
    );
  if (lines.length === 0) return "";
  const escaped = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return [`# HELP ${name} ${escaped}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
