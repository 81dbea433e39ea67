const ASK_AFTER_MS = 150;

/** Names of jobs below the search box while somebody types, and `/` to get there. */
export function suggestJobs(): void {
  const input = document.querySelector<HTMLInputElement>("form[data-search] input[name=query]");
  if (input === null) return;
  const hints = document.createElement("datalist");
  hints.id = "query-hints";
  input.after(hints);
  input.setAttribute("list", hints.id);
  let timer: ReturnType<typeof setTimeout> | undefined;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void show(input.value, hints).catch(() => undefined), ASK_AFTER_MS);
  });
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    const isTyping = target instanceof HTMLElement && target.matches("input, textarea, select");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
  });
}

async function show(query: string, hints: HTMLDataListElement): Promise<void> {
  const url = new URL("/search/hints", location.href);
  url.searchParams.set("query", query);
  const token = new URLSearchParams(location.search).get("token");
  if (token !== null) url.searchParams.set("token", token);
  const answer = await fetch(url);
  if (!answer.ok) return;
  const texts: unknown = await answer.json();
  if (!Array.isArray(texts)) return;
  hints.replaceChildren(
    ...texts.map((text) => {
      const option = document.createElement("option");
      option.value = String(text);
      return option;
    }),
  );
}
