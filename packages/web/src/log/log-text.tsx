import type { Token } from "./ansi.ts";
import type { LogPhase } from "./phases.ts";

/** A phase that can be folded; what no phase was told of is always shown. */
export function Phase({ phase }: { phase: LogPhase }) {
  if (phase.name === null) return <Lines lines={phase.lines} />;
  return (
    <details class="phase" open>
      <summary>{phase.name}</summary>
      <Lines lines={phase.lines} />
    </details>
  );
}

/** The spans are made of tokens, so nothing that a log says becomes markup. */
export function Lines({ lines }: { lines: readonly (readonly Token[])[] }) {
  return (
    <pre class="log">
      {lines.map((tokens) => [
        ...tokens.map(({ text, look }) => (look === "" ? text : <span class={look}>{text}</span>)),
        "\n",
      ])}
    </pre>
  );
}
