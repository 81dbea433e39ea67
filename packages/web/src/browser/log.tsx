import { render } from "preact";
import { Lines, Phase } from "../log/log-text.tsx";
import { LogReader, type LogPhase } from "../log/phases.ts";
import { renew } from "./live.ts";

const RETRY_MS = 3000;

/** Appends what the build logs from where the page ends, until it has ended. */
export async function follow(container: HTMLElement): Promise<void> {
  const address = container.dataset["follow"] ?? "";
  const tail = document.querySelector<HTMLElement>("[data-tail]");
  tail?.removeAttribute("hidden");
  const isFollowed = (): boolean => tail?.querySelector("input")?.checked ?? false;
  const log = new LiveLog(container);
  const scroll = (): void => {
    if (isFollowed()) window.scrollTo({ top: document.body.scrollHeight });
  };
  scroll();
  for await (const text of appended(address)) {
    log.append(text);
    scroll();
  }
  log.end();
  await renew();
}

/** Pieces of text from the address; when the connection breaks off it goes on where it was. */
async function* appended(address: string): AsyncGenerator<string> {
  const url = new URL(address, location.href);
  let offset = Number(url.searchParams.get("offset") ?? 0);
  for (;;) {
    url.searchParams.set("offset", String(offset));
    try {
      const answer = await fetch(url);
      if (answer.body === null || !answer.ok) return;
      const decoder = new TextDecoder();
      for await (const bytes of chunksOf(answer.body)) {
        offset += bytes.length;
        yield decoder.decode(bytes, { stream: true });
      }
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** The end of a log on the page. What is drawn once stays as it is. */
class LiveLog {
  readonly #container: HTMLElement;
  readonly #reader = new LogReader();

  constructor(container: HTMLElement) {
    this.#container = container;
  }

  append(text: string): void {
    document.querySelector(".empty")?.remove();
    for (const phase of this.#reader.read(text)) this.#draw(phase);
  }

  end(): void {
    for (const phase of this.#reader.end()) this.#draw(phase);
  }

  #draw(phase: LogPhase & { begins: boolean }): void {
    const last = this.#container.lastElementChild;
    if (phase.begins || !(last instanceof HTMLDetailsElement)) {
      place(this.#container, <Phase phase={phase} />);
    } else {
      place(last, <Lines lines={phase.lines} />);
    }
  }
}

function place(parent: Element, content: preact.JSX.Element): void {
  const fragment = document.createElement("div");
  render(content, fragment);
  parent.append(...fragment.childNodes);
}
